"""Access to the console: tokens, the links that are printed, and the sessions of browsers."""

import asyncio
import contextlib
import hmac
import math
import re
import secrets
from collections.abc import Awaitable, Collection
from typing import Final

from msgspec import Struct

from jikko.apps.keys import digest
from jikko.errors import Forbidden, InvalidParam, InvalidSettings, NotFound, StoreUnavailable, Unauthorized
from jikko.ids import is_uuid, new_id
from jikko.ports.clock import Clock
from jikko.repositories.console_store import (
    SCOPES,
    SHARE,
    ConsoleSession,
    ConsoleStore,
    ConsoleTicket,
    ConsoleToken,
    Role,
    Scope,
)

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
NOTED_EVERY: Final = 60.0
"""Seconds: that something was used is kept no more often."""
_NOTED_WITHIN: Final = 0.5
"""Seconds for which that is waited for."""
_HINT_LENGTH: Final = 8
_MIN_LENGTH: Final = 32
"""Characters of a token that an operator chose: fewer could be guessed."""
_LATEST: Final = 4_102_444_800.0
"""The end of the year 2099."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")


class Visitor(Struct, frozen=True):
    """Who a request is from."""

    name: str
    """Of the token, for the log of the server."""
    role: Role
    expires_at: float
    """Seconds since the Unix epoch; 0: never."""
    scopes: frozenset[Scope]
    source: str = ""
    """The id of the token; empty for other ways in."""
    until: float | None = None
    """When the token expires: so long may those live that it makes."""

    def may(self, scope: Scope | None) -> bool:
        """Whether a scope is among its own; ``None``: one that everybody has."""
        return scope is None or _may(self.scopes, scope)


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
        return await self._begin(known.id, known.name, known.role, known.scopes, known.expires_at)

    async def by_cookie(self, cookie: str, *, uses: bool = True) -> Visitor | None:
        """Who has a session; ``None`` if there is none, or it is over.
        ``uses``: whether it is used: that is what a request does, and not what is sent because of an earlier one."""
        hashed, now = digest(cookie), self._clock()
        session = await self._store.session(hashed)
        if session is None or now >= _end_of(session) or session.source.startswith(SHARE):
            return None
        if session.source.startswith("setting ") and session.source != self._setting_source:
            return None
        if uses and now - session.used_at >= NOTED_EVERY:
            await noted(self._store.touch_session(hashed, now))
        return _visitor(session, now)

    async def by_token(self, token: str) -> Visitor:
        """Who a script is that sends a token with each request. Raises ``Unauthorized``: there is no such token."""
        if self._is_setting(token):
            return Visitor(SETTING_NAME, "operator", 0.0, SCOPES["operator"])
        known = await self._known(token)
        return Visitor(known.name, known.role, known.expires_at or 0.0, _scopes(known), known.id, known.expires_at)

    async def leave(self, cookie: str) -> None:
        """End a session."""
        await self._store.delete_session(digest(cookie))

    async def tokens(self) -> list[ConsoleToken]:
        """All tokens but that of the setting, oldest first."""
        return await self._store.tokens()

    async def new_token(
        self,
        name: str,
        role: Role,
        *,
        scopes: Collection[Scope] | None = None,
        expires_at: float | None = None,
        maker: Visitor | None = None,
    ) -> tuple[ConsoleToken, str]:
        """Make a token. It is returned here and never again; only its digest is kept.

        Args:
            scopes: What it may do, in place of what its role may.
            expires_at: Seconds since the Unix epoch; ``None``: with the token that makes it, if that expires.
            maker: Who makes it; ``None``: the operator of the machine, who may do all.

        Raises:
            InvalidParam: The name is none, there is no scope, or it has expired already.
            Forbidden: It may do more than its maker, or longer.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidParam("name: must be a text of 1 to 100 characters, on one line.")
        if scopes is not None and not scopes:
            raise InvalidParam("scopes: must have one at least.")
        if expires_at is None and maker is not None:
            expires_at = maker.until
        if expires_at is not None and not self._clock() < expires_at < _LATEST:
            raise InvalidParam("expires_at: must be a time to come, before the year 2100.")
        wanted = SCOPES[role] if scopes is None else scopes
        if maker is not None:
            if lacking := sorted(scope for scope in wanted if not maker.may(scope)):
                raise Forbidden(f"{maker.name} cannot give what it lacks: {', '.join(lacking)}.", code="missing_scope")
            if maker.until is not None and expires_at is not None and expires_at > maker.until:
                raise Forbidden(f"A token of {maker.name} cannot outlive it.", code="missing_scope")
        if scopes is not None:
            role = "operator" if all(_may(scopes, scope) for scope in SCOPES["operator"]) else "viewer"
        token = PREFIX + secrets.token_urlsafe(32)
        entry = ConsoleToken(
            id=new_id(),
            name=name,
            role=role,
            digest=digest(token),
            hint=f"{token[:_HINT_LENGTH]}…",
            created_at=self._clock(),
            scopes=None if scopes is None else sorted({*scopes}),
            expires_at=expires_at,
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
        if known.expires_at is not None and now >= known.expires_at:
            raise Unauthorized(f"The token {known.name!r} has expired. `jikko console tokens new` makes another.")
        if known.used_at is None or now - known.used_at >= NOTED_EVERY:
            await noted(self._store.note_use(known.id, now))
        return known

    async def _begin(
        self, source: str, name: str, role: Role, scopes: list[Scope] | None = None, expires_at: float | None = None
    ) -> tuple[str, Visitor]:
        cookie, now = secrets.token_urlsafe(32), self._clock()
        session = ConsoleSession(
            digest=digest(cookie),
            source=source,
            name=name,
            role=role,
            created_at=now,
            used_at=now,
            scopes=scopes,
            expires_at=expires_at,
        )
        await self._store.add_session(session, oldest=now - SESSION_SECONDS)
        return cookie, _visitor(session, now)


async def noted(noting: Awaitable[None]) -> None:
    """Keep that something was used, unless the record takes no writes: that keeps nobody out."""
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        async with asyncio.timeout(_NOTED_WITHIN):
            await noting


def _end_of(session: ConsoleSession) -> float:
    ends = session.created_at + SESSION_SECONDS, session.used_at + IDLE_SECONDS + NOTED_EVERY
    return min(*ends, session.expires_at or math.inf)


def _visitor(session: ConsoleSession, now: float) -> Visitor:
    """Who has a session that is used now."""
    end = min(session.created_at + SESSION_SECONDS, now + IDLE_SECONDS, session.expires_at or math.inf)
    source = session.source if is_uuid(session.source) else ""
    return Visitor(session.name, session.role, end, _scopes(session), source, session.expires_at)


def _may(scopes: Collection[str], scope: Scope) -> bool:
    """Whether a scope is among others. Who may write may read the same."""
    return scope in scopes or f"{scope.partition(':')[0]}:write" in scopes


def _scopes(of: ConsoleToken | ConsoleSession) -> frozenset[Scope]:
    return SCOPES[of.role] if of.scopes is None else frozenset(of.scopes)
