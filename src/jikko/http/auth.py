"""Authentication: the app that the API key of a request opens."""

from functools import lru_cache
from typing import Final

from jikko.apps.keys import SHARED, digest, key_for
from jikko.errors import Unauthorized
from jikko.http.requests import Request
from jikko.repositories.app_store import App

_MAX_NAMED: Final = 20
"""Apps that an error names."""
_MAX_KEPT_BYTES: Final = 200
"""Bytes of an authorization that is no key of ours, and is not kept."""


def api_key(request: Request) -> bytes:
    """The digest of the API key that a request was sent with, whether it opens an app or not.
    Raises ``Unauthorized``: there is none."""
    return _digests_of(request)[0]


def _digests_of(request: Request) -> tuple[bytes, bytes]:
    value = request.header_bytes(b"authorization") or b""
    found = _kept_digests(value) if len(value) <= _MAX_KEPT_BYTES else _digests(value)
    if found is None:
        raise Unauthorized("Authorization header must be provided and start with 'Bearer'")
    return found


async def authenticated(request: Request) -> App:
    """The app that a request's key opens. Looked up, and counted for the limit of the key, once a request.
    Raises ``Unauthorized``: there is no key, or it opens no app; ``TooManyRequests``: the key was used too often in the
    last minute."""
    if request.app is None:
        try:
            request.app = await request.api.app_keys.authenticate(*_digests_of(request))
        except Unauthorized:
            if apps := await request.api.app_keys.opened_by(_sent_key(request)):
                which = ", ".join(app.id for app in apps[:_MAX_NAMED])
                raise Unauthorized(
                    f"The API key opens {len(apps)} apps. Send it as KEY@ID, with the id of one of them ({which}), or "
                    "send the key of one app."
                ) from None
            raise
    return request.app


async def opened(request: Request) -> list[App]:
    """The apps that a request's key opens: one, or several. Counted for the limit of the key. Raises as
    ``authenticated``."""
    if request.app is not None or not _sent_key(request).startswith(SHARED):
        return [await authenticated(request)]
    return await request.api.app_keys.opened_by(_sent_key(request)) or [await authenticated(request)]


def chosen(request: Request, app: App) -> App:
    """Have a request be for one of the apps that its key opens."""
    if request.app is None:
        request.app = app
        request.api.app_keys.note_use(_sent_key(request), app)
    return app


def _sent_key(request: Request) -> str:
    scheme, _, key = (request.header(b"authorization") or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _digests(authorization: bytes) -> tuple[bytes, bytes] | None:
    """That of the key, and the one that its requests are counted by: all parts of a key for several apps have one."""
    scheme, _, key = str(authorization, "latin-1").partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        return None
    shared, is_part, app_id = key.partition("@")
    if is_part and key.startswith(SHARED):
        return digest(key_for(shared, app_id.lower())), digest(shared)
    own = digest(key)
    return own, own


# Hashing takes longer than looking it up.
_kept_digests = lru_cache(1_000)(_digests)
