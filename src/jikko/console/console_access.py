"""Access to the console: tokens, sign-in links and browser sessions."""

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
"""Lifetime of a sign-in link in seconds."""
IDLE_SECONDS: Final = 12 * 3600.0
"""Idle timeout of a session in seconds."""
SESSION_SECONDS: Final = 7 * 86_400.0
"""Maximum lifetime of a session in seconds."""
PREFIX: Final = "jko_"
SETTING_NAME: Final = "JIKKO_CONSOLE_TOKEN"
"""Name of sessions started with the token of that setting."""
_LINK: Final = "link"
_UNKNOWN: Final = "Unknown console token. API keys of apps do not open the console."
NOTED_EVERY: Final = 60.0
"""Interval in seconds at which the last use is saved."""
_NOTED_WITHIN: Final = 0.5
"""Timeout of saving it, in seconds."""
_HINT_LENGTH: Final = 8
_MIN_LENGTH: Final = 32
"""Shortest token chosen by an operator: fewer characters could be guessed."""
_LATEST: Final = 4_102_444_800.0
"""End of the year 2099."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")


class Visitor(Struct, frozen=True):
    """Authenticated sender of a request."""

    name: str
    """Name of the token, for the server's log."""
    role: Role
    expires_at: float
    """Seconds since the Unix epoch; 0: never."""
    scopes: frozenset[Scope]
    source: str = ""
    """ID of the token; empty for other ways to sign in."""
    until: float | None = None
    """Expiry of the token, which also limits tokens made with it."""
    is_guest: bool = False
    """Whether a shared link let it in."""

    def may(self, scope: Scope | None) -> bool:
        """Return whether the visitor has a scope; ``None``: one that everybody has."""
        return scope is None or _may(self.scopes, scope)


class Access:
    """Authentication of visitors."""

    def __init__(self, store: ConsoleStore, clock: Clock, setting: str = "") -> None:
        """``setting``: The operator's token from the settings, or empty. Raises ``InvalidSettings``: guessable."""
        if setting and len(setting) < _MIN_LENGTH:
            raise InvalidSettings(
                f"{SETTING_NAME} has {len(setting)} characters; a secure token has at least {_MIN_LENGTH}, "
                "such as one from `openssl rand -hex 32`."
            )
        self._store = store
        self._clock = clock
        self._setting = digest(setting) if setting else b""

    async def ticket(self, role: Role) -> str:
        """Make a ticket for a sign-in link, valid once and for ``TICKET_SECONDS``."""
        ticket, now = secrets.token_urlsafe(32), self._clock()
        entry = ConsoleTicket(digest=digest(ticket), role=role, expires_at=now + TICKET_SECONDS)
        await self._store.add_ticket(entry, now=now)
        return ticket

    async def enter_by_ticket(self, ticket: str) -> tuple[str, Visitor]:
        """Start a session with a ticket, consuming it. Returns its cookie value and its visitor.
        Raises ``Unauthorized``: unknown, used or expired."""
        taken = await self._store.take_ticket(digest(ticket), now=self._clock())
        if taken is None:
            raise Unauthorized("The link was used already, or has expired. `jikko console` prints a new one.")
        return await self._begin(_LINK, _LINK, taken.role)

    async def enter_by_token(self, token: str) -> tuple[str, Visitor]:
        """Start a session with a token. Returns its cookie value and its visitor.
        Raises ``Unauthorized``: unknown token."""
        if self._is_setting(token):
            return await self._begin(self.setting_source, SETTING_NAME, "operator")
        known = await self._known(token)
        return await self._begin(known.id, known.name, known.role, known.scopes, known.expires_at)

    async def by_cookie(self, cookie: str, *, uses: bool = True) -> Visitor | None:
        """Return a session's visitor; ``None`` if unknown or expired.
        ``uses``: Whether this extends the session: requests do, events of open streams do not."""
        hashed, now = digest(cookie), self._clock()
        session = await self._store.session(hashed)
        if session is None or now >= _end_of(session) or session.source.startswith(SHARE):
            return None
        if session.source.startswith("setting ") and session.source != self.setting_source:
            return None
        if uses and now - session.used_at >= NOTED_EVERY:
            await noted(self._store.touch_session(hashed, now))
        return _visitor(session, now)

    async def by_token(self, token: str) -> Visitor:
        """Return the visitor of a request's token. Raises ``Unauthorized``: unknown token."""
        if self._is_setting(token):
            return Visitor(SETTING_NAME, "operator", 0.0, SCOPES["operator"])
        known = await self._known(token)
        return Visitor(known.name, known.role, known.expires_at or 0.0, _scopes(known), known.id, known.expires_at)

    async def leave(self, cookie: str) -> None:
        """End a session. Shared links are only revoked."""
        await self._store.delete_session(digest(cookie), shared=False)

    async def tokens(self) -> list[ConsoleToken]:
        """Return all tokens except the setting's, oldest first."""
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
        """Make a token, returned only here: only its digest is stored.

        Args:
            scopes: Default: those of the role.
            expires_at: Seconds since the Unix epoch; ``None``: the expiry of the token that makes it, if any.
            maker: Its creator; ``None``: the operator of the machine, with all scopes.

        Raises:
            InvalidParam: Invalid name, no scopes, or already expired.
            Forbidden: More scopes or a longer lifetime than its maker's.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidParam("name: must be a text of 1 to 100 characters, on one line.")
        if scopes is not None and not scopes:
            raise InvalidParam("scopes: must have at least one.")
        if expires_at is None and maker is not None:
            expires_at = maker.until
        if expires_at is not None and not self._clock() < expires_at < _LATEST:
            raise InvalidParam("expires_at: must be in the future, before the year 2100.")
        wanted = SCOPES[role] if scopes is None else scopes
        if maker is not None:
            if lacking := sorted(scope for scope in wanted if not maker.may(scope)):
                raise Forbidden(
                    f"{maker.name} cannot grant scopes that it lacks: {', '.join(lacking)}.", code="missing_scope"
                )
            if maker.until is not None and expires_at is not None and expires_at > maker.until:
                raise Forbidden(f"A token made by {maker.name} cannot outlive it.", code="missing_scope")
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
        """Delete a token and its sessions. Raises ``NotFound``."""
        if not is_uuid(token_id) or not await self._store.delete_token(token_id.lower()):
            raise NotFound(f"No console token {token_id!r}.")

    @property
    def setting_source(self) -> str:
        """Return the source of sessions started with the setting's token."""
        return f"setting {self._setting.hex()}"

    def _is_setting(self, token: str) -> bool:
        return bool(self._setting) and hmac.compare_digest(digest(token), self._setting)

    async def _known(self, token: str) -> ConsoleToken:
        hashed = digest(token)
        known = await self._store.token_of(hashed)
        # Looked up by digest, so that timing reveals nothing about tokens.
        if known is None or not hmac.compare_digest(known.digest, hashed):
            raise Unauthorized(_UNKNOWN)
        now = self._clock()
        if known.expires_at is not None and now >= known.expires_at:
            raise Unauthorized(f"The token {known.name!r} has expired. `jikko console tokens new` makes a new one.")
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
        if not await self._store.add_session(session, oldest=now - SESSION_SECONDS):
            raise Unauthorized(_UNKNOWN)  # revoked meanwhile
        return cookie, _visitor(session, now)


async def noted(noting: Awaitable[None]) -> None:
    """Save the last use, but let visitors in even if the store refuses writes."""
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        async with asyncio.timeout(_NOTED_WITHIN):
            await noting


def _end_of(session: ConsoleSession) -> float:
    ends = session.created_at + SESSION_SECONDS, session.used_at + IDLE_SECONDS + NOTED_EVERY
    return min(*ends, session.expires_at or math.inf)


def _visitor(session: ConsoleSession, now: float) -> Visitor:
    end = min(session.created_at + SESSION_SECONDS, now + IDLE_SECONDS, session.expires_at or math.inf)
    source = session.source if is_uuid(session.source) else ""
    return Visitor(session.name, session.role, end, _scopes(session), source, session.expires_at)


def _may(scopes: Collection[str], scope: Scope) -> bool:
    """Return whether scopes include one. Write access implies read access."""
    return scope in scopes or f"{scope.partition(':')[0]}:write" in scopes


def _scopes(of: ConsoleToken | ConsoleSession) -> frozenset[Scope]:
    return SCOPES[of.role] if of.scopes is None else frozenset(of.scopes)
