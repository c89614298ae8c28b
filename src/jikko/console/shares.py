"""Shared links: each shows one run without signing in, for at most a week, unless revoked."""

import hmac
import secrets
from typing import Final

from msgspec import Struct

from jikko.apps.keys import digest
from jikko.console.console_access import NOTED_EVERY, SESSION_SECONDS, SETTING_NAME, Visitor, noted
from jikko.errors import Forbidden, InvalidParam, JikkoError, NotFound, Unauthorized
from jikko.ids import is_uuid
from jikko.ports.clock import Clock
from jikko.repositories.console_store import ConsoleSession, ConsoleStore, share_source

MAX_DAYS: Final = int(SESSION_SECONDS // 86_400)
_ID_BYTES: Final = 8


class ShareOver(JikkoError):
    """The link is wrong, expired or revoked, or its run was deleted: indistinguishable on purpose."""

    code = "share_over"
    status = 404

    def __init__(self) -> None:
        super().__init__("The link no longer works. Ask for another.")


class Share(Struct, frozen=True):
    """Shared link without its key."""

    id: str
    made_by: str
    """Name of its maker's token."""
    created_at: float
    expires_at: float
    opened_at: float | None
    """Last use, to the minute; ``None``: never."""


class Shares(Struct, eq=False):
    """Store of shared links.

    A link is stored as a session without scopes, which opens only its run; of its key, only the digest is stored.
    """

    store: ConsoleStore
    clock: Clock
    is_on: bool
    """Whether the settings allow links; otherwise none works."""
    setting_source: str
    """See ``Access``."""

    async def make(self, run_id: str, maker: Visitor, days: int) -> tuple[Share, str]:
        """Make a link to a run. Returns it with its key, which is not stored.

        Raises:
            Forbidden: The settings do not allow links, or its maker may not see a run's graph.
            InvalidParam: ``days`` is not 1 to 7.
            Unauthorized: Its maker's token was revoked meanwhile.
        """
        if not self.is_on:
            raise Forbidden("Shared links are off. Set JIKKO_CONSOLE_SHARES=1 to allow them.", code="shares_off")
        if not maker.may("apps:read"):
            raise Forbidden(f"{maker.name} lacks the scope apps:read: a link shows the graph.", code="missing_scope")
        if not 1 <= days <= MAX_DAYS:
            raise InvalidParam(f"days: must be 1 to {MAX_DAYS}.")
        key, now = secrets.token_urlsafe(32), self.clock()
        by_setting = maker.name == SETTING_NAME and not maker.source
        expires_at = now + days * 86_400.0
        session = ConsoleSession(
            digest=digest(key),
            source=share_source(run_id, self.setting_source if by_setting else maker.source),
            name=maker.name,
            role="viewer",
            created_at=now,
            used_at=0.0,
            scopes=[],
            expires_at=expires_at if maker.until is None else min(expires_at, maker.until),
        )
        if not await self.store.add_session(session, oldest=now - SESSION_SECONDS):
            raise Unauthorized("The token was revoked meanwhile. Sign in with another.")
        return _share(session), key

    async def of_run(self, run_id: str) -> list[Share]:
        """Return a run's active links, oldest first."""
        return [_share(session) for session in await self._of_run(run_id)]

    async def revoke(self, run_id: str, share_id: str) -> Share:
        """Delete a link. Raises ``NotFound``."""
        for session in await self._of_run(run_id):
            if _id(session) == share_id and await self.store.delete_session(session.digest):
                return _share(session)
        raise NotFound(f"Run {run_id} has no shared link {share_id[:100]!r}.")

    async def open(self, run_id: str, key: str) -> tuple[Share, bool]:
        """Open a link. Returns it, and whether this is its first use. Raises ``ShareOver``."""
        session = await self._known(run_id, key)
        now = self.clock()
        is_first = not session.used_at and await self.store.open_session(session.digest, now)
        if not is_first and now - session.used_at >= NOTED_EVERY:
            await noted(self.store.touch_session(session.digest, now))
        return _share(session), is_first

    async def visitor(self, run_id: str, key: str) -> Visitor:
        """Return the visitor of a link. Raises ``ShareOver``."""
        session = await self._known(run_id, key)
        return Visitor("shared link", "viewer", session.expires_at or 0.0, frozenset({"runs:read"}), is_guest=True)

    async def _known(self, run_id: str, key: str) -> ConsoleSession:
        hashed = digest(key)
        session = await self.store.session(hashed) if self.is_on else None
        # Looked up by digest, so that timing reveals nothing about keys.
        if (
            session is None
            or not hmac.compare_digest(session.digest, hashed)
            or not session.source.startswith(share_source(run_id))
            or self.clock() >= (session.expires_at or 0.0)
            or not await self._has_maker(session.source.removeprefix(share_source(run_id)))
        ):
            raise ShareOver
        return session

    async def _has_maker(self, source: str) -> bool:
        """Return whether the token that made a link is still valid. An earlier build revokes tokens without it."""
        if is_uuid(source):
            return await self.store.has_token(source)
        return source in ("", self.setting_source)

    async def _of_run(self, run_id: str) -> list[ConsoleSession]:
        now = self.clock()
        return [found for found in await self.store.shares(run_id) if now < (found.expires_at or 0.0)]


def _id(session: ConsoleSession) -> str:
    """Return a prefix of its digest, which does not reveal the key."""
    return session.digest[:_ID_BYTES].hex()


def _share(session: ConsoleSession) -> Share:
    return Share(_id(session), session.name, session.created_at, session.expires_at or 0.0, session.used_at or None)
