"""The cookie of a session."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from jikko.console.console_access import SESSION_SECONDS
from jikko.http.requests import Request

_NAME: Final = "jikko_console"
_SECURE: Final = f"__Secure-{_NAME}"


def cookie_of(request: Request) -> str:
    """The value that a request has sent; ``""`` for none."""
    name = _SECURE if _is_secure(request) else _NAME
    for header, value in request.scope["headers"]:
        if header == b"cookie":
            try:
                morsel = SimpleCookie(str(value, "latin-1")).get(name)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
    return ""


def set_cookie(request: Request, value: str) -> tuple[bytes, bytes]:
    """The header that has a browser keep a session; an empty value has it forget."""
    secure = _is_secure(request)
    path = f"{request.root_path}/console"
    age = int(SESSION_SECONDS) if value else 0
    text = f"{_SECURE if secure else _NAME}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict"
    return b"set-cookie", (text + ("; Secure" if secure else "")).encode("latin-1")


def _is_secure(request: Request) -> bool:
    return request.base_url.startswith("https:")
