"""Authentication: the app of a request's API key."""

from functools import lru_cache
from typing import Final

from jikko.apps.keys import SHARED, digest, key_for
from jikko.errors import Unauthorized
from jikko.http.requests import Request
from jikko.repositories.app_store import App

MAX_LISTED_APPS: Final = 20
"""Apps listed in an error."""
_MAX_KEPT_BYTES: Final = 200
"""Longest cached ``Authorization`` header, in bytes: a longer one is not a key of ours."""


def api_key(request: Request) -> bytes:
    """Return the digest of the request's API key, valid or not. Raises ``Unauthorized`` if missing."""
    return _digests_of(request)[0]


def _digests_of(request: Request) -> tuple[bytes, bytes]:
    value = request.header_bytes(b"authorization") or b""
    found = _kept_digests(value) if len(value) <= _MAX_KEPT_BYTES else _digests(value)
    if found is None:
        raise Unauthorized("Authorization header must be provided and start with 'Bearer'")
    return found


async def authenticated(request: Request) -> App:
    """Return the app of the request's key, looked up and counted for the rate limit once a request.
    Raises ``Unauthorized``: missing or unknown key; ``TooManyRequests``: over the key's limit per minute."""
    if request.app is None:
        try:
            request.app = await request.api.app_keys.authenticate(*_digests_of(request))
        except Unauthorized:
            if apps := await request.api.app_keys.opened_by(_sent_key(request)):
                which = ", ".join(app.id for app in apps[:MAX_LISTED_APPS])
                raise Unauthorized(
                    f"The API key opens {len(apps)} apps. Send it as KEY@ID, with the id of one of them ({which}), or "
                    "send the key of one app."
                ) from None
            raise
    return request.app


async def opened(request: Request) -> list[App]:
    """Return the apps of the request's key, one or several. Counts and raises like ``authenticated``."""
    if request.app is not None or not _sent_key(request).startswith(SHARED):
        return [await authenticated(request)]
    return await request.api.app_keys.opened_by(_sent_key(request)) or [await authenticated(request)]


def chosen(request: Request, app: App) -> App:
    """Bind a request to one of its key's apps."""
    if request.app is None:
        request.app = app
        request.api.app_keys.note_use(_sent_key(request), app)
    return app


def _sent_key(request: Request) -> str:
    scheme, _, key = (request.header(b"authorization") or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _digests(authorization: bytes) -> tuple[bytes, bytes] | None:
    """Return the digests of the key and of its rate limit's key, which all parts of a shared key have in common."""
    scheme, _, key = str(authorization, "latin-1").partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        return None
    shared, is_part, app_id = key.partition("@")
    if is_part and key.startswith(SHARED):
        return digest(key_for(shared, app_id.lower())), digest(shared)
    own = digest(key)
    return own, own


# Hashing takes longer than a lookup.
_kept_digests = lru_cache(1_000)(_digests)
