"""Who may enter the console: tokens, the links that are printed, and the sessions of browsers."""

import asyncio
import contextlib
import hmac
import re
import secrets
from collections.abc import Awaitable
from typing import Final

from msgspec import Struct

from jikko.apps.keys import digest
from jikko.errors import InvalidParam, InvalidSettings, NotFound, StoreUnavailable, Unauthorized
from jikko.ids import is_uuid, new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.console_store import ConsoleSession, ConsoleTicket, ConsoleToken, Role
from jikko.repositories.console_store import ConsoleStore

TICKET_SECONDS: Final = 300.0
"""Seconds for which a link can be used."""
IDLE_SECONDS: Final = 12 * 3600.0
"""Seconds without a request after which a session is over."""
SESSION_SECONDS: Final = 7 * 86_400.0
"""Seconds after which a session is over in any case."""
PREFIX: Final = "jko_"
SETTING_NAME: Final = "JIKKO_CONSOLE_TOKEN"
"""What sessions are called that were begun with the token of that setting."""
_LINK: Final = "link"
_NOTED_EVERY: Final = 60.0
"""Seconds: that something was used is kept no more often."""
_NOTED_WITHIN: Final = 0.5
"""Seconds for which that is waited for."""
_HINT_LENGTH: Final = 8
_MIN_LENGTH: Final = 32
"""Characters of a token that an operator chose: fewer could be guessed."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")


class Visitor(Struct, frozen=True):
    """Who a request is from."""

    name: str
    """Of the token, for the log of the server."""
    role: Role
    expires_at: float
    """Seconds since the Unix epoch; a token of a script ends at no time: 0."""

    @property
    def is_operator(self) -> bool:
        """Whether all is allowed."""
        return self.role == "operator"


class Access:
    """Lets visitors in."""

    def __init__(self, store: ConsoleStore, clock: Clock, setting: str = "") -> None:
        """``setting``: the token of an operator that the settings have; empty for none. Raises ``InvalidSettings``: it
        could be guessed."""
        if setting and len(setting) < _MIN_LENGTH:
            raise InvalidSettings(
                f"{SETTING_NAME} has {len(setting)} characters; a token that cannot be guessed has {_MIN_LENGTH} at "
                "least, such as `openssl rand -hex 32` makes."
            )
        self._store = store
        self._clock = clock
        self._setting = digest(setting) if setting else b""

    async def ticket(self, role: Role) -> str:
        """Make a ticket for a link, which opens the console once, and within ``TICKET_SECONDS``."""
        ticket, now = secrets.token_urlsafe(32), self._clock()
        entry = ConsoleTicket(digest=digest(ticket), role=role, expires_at=now + TICKET_SECONDS)
        await self._store.add_ticket(entry, now=now)
        return ticket

    async def enter_by_ticket(self, ticket: str) -> tuple[str, Visitor]:
        """Begin a session with a ticket, which is used up. Returns the value of its cookie, and who it lets in.
        Raises ``Unauthorized``: there is no such ticket, it was used, or its time is up."""
        taken = await self._store.take_ticket(digest(ticket), now=self._clock())
        if taken is None:
            raise Unauthorized("The link was used already, or its time is up. `jikko console` prints another.")
        return await self._begin(_LINK, _LINK, taken.role)

    async def enter_by_token(self, token: str) -> tuple[str, Visitor]:
        """Begin a session with a token. Returns the value of its cookie, and who it lets in.
        Raises ``Unauthorized``: there is no such token."""
        if self._is_setting(token):
            return await self._begin(self._setting_source, SETTING_NAME, "operator")
        known = await self._known(token)
        return await self._begin(known.id, known.name, known.role)

    async def by_cookie(self, cookie: str, *, uses: bool = True) -> Visitor | None:
        """Who has a session; ``None`` if there is none, or it is over.
        ``uses``: whether it is used: that is what a request does, and not what is sent because of an earlier one."""
        hashed, now = digest(cookie), self._clock()
        session = await self._store.session(hashed)
        if session is None or now >= _end_of(session):
            return None
        if session.source.startswith("setting ") and session.source != self._setting_source:
            return None
        if uses and now - session.used_at >= _NOTED_EVERY:
            await _noted(self._store.touch_session(hashed, now))
        return Visitor(session.name, session.role, min(session.created_at + SESSION_SECONDS, now + IDLE_SECONDS))

    async def by_token(self, token: str) -> Visitor:
        """Who a script is that sends a token with each request. Raises ``Unauthorized``: there is no such token."""
        if self._is_setting(token):
            return Visitor(SETTING_NAME, "operator", 0.0)
        known = await self._known(token)
        return Visitor(known.name, known.role, 0.0)

    async def leave(self, cookie: str) -> None:
        """End a session."""
        await self._store.delete_session(digest(cookie))

    async def tokens(self) -> list[ConsoleToken]:
        """All tokens but that of the setting, oldest first."""
        return await self._store.tokens()

    async def new_token(self, name: str, role: Role) -> tuple[ConsoleToken, str]:
        """Make a token. It is returned here and never again; only its digest is kept.
        Raises ``InvalidParam``: the name is none."""
        if _NAME.fullmatch(name) is None:
            raise InvalidParam("name: must be a text of 1 to 100 characters, on one line.")
        token = PREFIX + secrets.token_urlsafe(32)
        entry = ConsoleToken(
            id=new_id(),
            name=name,
            role=role,
            digest=digest(token),
            hint=f"{token[:_HINT_LENGTH]}…",
            created_at=self._clock(),
        )
        await self._store.add_token(entry)
        return entry, token

    async def revoke(self, token_id: str) -> None:
        """Remove a token; sessions that it began are over. Raises ``NotFound``: there is no such token."""
        if not is_uuid(token_id) or not await self._store.delete_token(token_id.lower()):
            raise NotFound(f"There is no token {token_id!r} of the console.")

    @property
    def _setting_source(self) -> str:
        return f"setting {self._setting.hex()}"

    def _is_setting(self, token: str) -> bool:
        return bool(self._setting) and hmac.compare_digest(digest(token), self._setting)

    async def _known(self, token: str) -> ConsoleToken:
        hashed = digest(token)
        known = await self._store.token_of(hashed)
        # Found by its digest, so that how long it takes tells nothing of any token.
        if known is None or not hmac.compare_digest(known.digest, hashed):
            raise Unauthorized("There is no such token of the console. API keys of apps do not open it.")
        now = self._clock()
        if known.used_at is None or now - known.used_at >= _NOTED_EVERY:
            await _noted(self._store.note_use(known.id, now))
        return known

    async def _begin(self, source: str, name: str, role: Role) -> tuple[str, Visitor]:
        cookie, now = secrets.token_urlsafe(32), self._clock()
        session = ConsoleSession(
            digest=digest(cookie), source=source, name=name, role=role, created_at=now, used_at=now
        )
        await self._store.add_session(session, oldest=now - SESSION_SECONDS)
        return cookie, Visitor(name, role, now + IDLE_SECONDS)


async def _noted(noting: Awaitable[None]) -> None:
    """Keep that something was used, unless the record takes no writes: that keeps nobody out."""
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        async with asyncio.timeout(_NOTED_WITHIN):
            await noting


def _end_of(session: ConsoleSession) -> float:
    return min(session.created_at + SESSION_SECONDS, session.used_at + IDLE_SECONDS + _NOTED_EVERY)
