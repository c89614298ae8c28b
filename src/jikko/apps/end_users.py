"""End users of apps. Source: docs/dify-behaviour.md, “Users and errors”."""

import re
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from jikko.errors import NotFound
from jikko.ports.stores.trigger_store import KINDS, TriggerKind
from jikko.repositories.end_user_store import EndUser, EndUserStore

ANONYMOUS: Final = "DEFAULT-USER"
"""User of requests without a ``user``."""
TRIGGER_USERS: Final[Mapping[TriggerKind, str]] = {"webhook": ANONYMOUS, "schedule": "", "plugin": ANONYMOUS}
"""``user`` of runs that triggers start. Source: docs/dify-behaviour.md, “Trigger nodes”."""
_MCP_USER: Final = re.compile("mcp-[0-9a-f]{16}")
_END_USERS: Final = uuid.UUID("b6f1f0f4-3c1b-4b0e-9f57-6d8a3b8f1c20")


class EndUsers(Struct, eq=False):
    store: EndUserStore

    async def known(self, app_id: str, user: str) -> str:
        """Register an end user and return its id. Raises ``StoreUnavailable`` if it cannot be written."""
        end_user_id = end_user(app_id, user)
        await self.store.add(app_id, end_user_id, user)
        return end_user_id

    async def is_known(self, app_id: str, user: str) -> bool:
        """Return whether an end user was registered or started a run."""
        return await self.store.has(app_id, end_user(app_id, user))

    async def find(self, app_id: str, end_user_id: str) -> EndUser:
        """Return an end user of the app. Raises ``NotFound`` if there is none with that id."""
        found = await self.store.find(app_id, end_user_id)
        if found is None:
            raise NotFound("End user not found.", code="end_user_not_found")
        return found


def mcp_user(digest: bytes) -> str:
    """Return the ``user`` of runs started through an app's MCP server. ``digest``: Of the server's code."""
    return f"mcp-{digest.hex()[:16]}"


def is_mcp_user(user: str) -> bool:
    return _MCP_USER.fullmatch(user) is not None


@lru_cache(maxsize=10_000)
def trigger_user(app_id: str, kind: TriggerKind) -> str:
    """Return the id of the end user that owns an app's runs from one kind of trigger. No ``user`` maps to it."""
    return str(uuid.uuid5(_END_USERS, f"{kind} triggers of {app_id}"))


def triggered_from(app_id: str, end_user_id: str) -> TriggerKind | None:
    """Return the kind of trigger that started a run, derived from the run's end user; ``None`` for clients."""
    return next((kind for kind in KINDS if end_user_id == trigger_user(app_id, kind)), None)


@lru_cache(maxsize=10_000)
def end_user(app_id: str, user: str) -> str:
    """Derive the end user's id from a ``user`` text, always the same."""
    return str(uuid.uuid5(_END_USERS, f"{app_id}/{user}"))
