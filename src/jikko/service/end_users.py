"""Who uses an app. Source: Dify 1.15, spec/service-api.md §2."""

from typing import Final

from jikko.errors import NotFound
from jikko.ports.end_user_store import EndUser, EndUserStore
from jikko.service.runs import end_user

ANONYMOUS: Final = "DEFAULT-USER"
"""Who asks without a ``user``."""


class EndUsers:
    """The use cases about end users."""

    def __init__(self, store: EndUserStore) -> None:
        self._store = store

    async def known(self, app_id: str, user: str) -> str:
        """The id of an end user, who can be asked for from now on.

        Raises:
            StoreUnavailable: It cannot be written.
        """
        end_user_id = end_user(app_id, user)
        await self._store.add(app_id, end_user_id, user)
        return end_user_id

    async def find(self, app_id: str, end_user_id: str) -> EndUser:
        """An end user of the app.

        Raises:
            NotFound: There is none with that id.
        """
        found = await self._store.find(app_id, end_user_id)
        if found is None:
            raise NotFound("End user not found.", code="end_user_not_found")
        return found
