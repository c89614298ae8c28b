"""Variables for tests: a plain mapping of node id and name."""

from collections.abc import Mapping

from jikko.lang.variables import TextBudget, follow
from jikko.values import UNSET, Json, Selector, Unset


class Pool:
    """``Pool({"start": {"name": "Ada"}})``. ``declared``: Types of variables."""

    def __init__(
        self,
        values: Mapping[str, Mapping[str, Json]],
        limit: int = 1_000_000,
        declared: Mapping[Selector, str] | None = None,
    ) -> None:
        self._values = values
        self.declared_type = (declared or {}).get
        self.spend = TextBudget(limit).spend

    def get(self, selector: Selector) -> Json | Unset:
        if len(selector) < 2:
            return UNSET
        node, name, *path = selector
        value = self._values.get(node, {}).get(name, UNSET)
        return value if value is UNSET else follow(value, tuple(path))
