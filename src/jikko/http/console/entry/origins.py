"""From where the console may be asked: which hosts it answers to, and whose pages may change something."""

from typing import Final
from urllib.parse import urlsplit

from jikko.errors import Forbidden, JikkoError
from jikko.http.requests import Request

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADER: Final = b"x-jikko-console"
"""No page of another origin can send it: no such page is allowed any header here."""
_PORTS: Final = {"http": ":80", "https": ":443"}
"""Those that browsers leave out."""


class WrongHost(JikkoError):
    """The request names a host that the console does not answer to."""

    code = "wrong_host"
    status = 421


def require_host(request: Request, public_url: str, listens_on: str) -> None:
    """Keep out pages of names that were made to lead here (DNS rebinding).

    Args:
        listens_on: The host of the settings.

    Raises:
        WrongHost: It is none of ours.
    """
    host = (request.header(b"host") or "").lower()
    name = _name_of(host)
    here = request.scope.get("server") or ("", 0)
    if not name or not (
        name in _LOOPBACK
        or name in (_bracketed(str(here[0]).lower()), _bracketed(listens_on.lower()))
        or host == urlsplit(public_url).netloc.lower()
    ):
        raise WrongHost(
            f"The console does not answer to the host {host!r}. Use an address of the server, or set JIKKO_PUBLIC_URL "
            "to the address under which it is reached."
        )


def require_own_page(request: Request, public_url: str) -> None:
    """Keep out requests that pages of other sites make with the cookie of a browser.

    A page of the console is one of the request's own origin, or of the public URL. At a host that is in the public URL,
    the scheme of that holds; elsewhere that of the request, which a proxy tells only if it is a trusted one.

    Raises:
        Forbidden: It does not come from the console's own page.
    """
    site, origin = request.header(b"sec-fetch-site"), request.origin
    public = _origin_of(public_url)
    here = _origin_of(f"{request.scope['scheme']}://{request.header(b'host') or ''}")
    own = {public} if _host_of(here) == _host_of(public) else {public, here}
    if (
        request.header(_HEADER) != "1"
        or site not in (None, "same-origin")
        or (origin is not None and _origin_of(str(origin, "latin-1")) not in own - {None})
    ):
        raise Forbidden(
            "The request does not come from a page of this console. It needs the header X-Jikko-Console: 1 and, where "
            "they are sent, Sec-Fetch-Site: same-origin and an Origin that is this server.",
            code="wrong_origin",
        )


def _origin_of(url: str) -> str | None:
    """The origin of a URL as browsers write it; ``None`` for what has none."""
    scheme, _, rest = url.lower().partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host.removesuffix(_PORTS[scheme])}" if host and scheme in _PORTS else None


def _host_of(origin: str | None) -> str | None:
    return None if origin is None else origin.partition("://")[2]


def _name_of(host: str) -> str:
    """A host without its port; ``""`` for what is none."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return name + bracket if bracket and (not port or port[1:].isdigit()) else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
