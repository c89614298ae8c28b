"""Files that a request names."""

from collections.abc import Mapping
from typing import Any

from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.values import Json


class RequestFiles:
    """Stands for files until they can be stored."""

    def of(self, app_id: str, end_user_id: str, features: Mapping[str, Any]) -> "RequestFiles":
        return self

    async def one(self, raw: Json, variable: StartVariable) -> Json:
        raise InvalidParam(f"{variable.name}: files cannot be given yet")

    async def several(self, raw: Json, variable: StartVariable) -> Json:
        if not raw:
            return []
        raise InvalidParam(f"{variable.name}: files cannot be given yet")

    async def attached(self, raw: list[Json]) -> list[Json]:
        if raw:
            raise InvalidParam("files cannot be given yet")
        return []
