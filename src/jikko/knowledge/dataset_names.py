"""What workflow files call datasets: texts that mean one of here, and encrypted ids of Dify's workspaces."""

from jikko.dsl.encrypted_ids import check_decryption
from jikko.errors import InvalidParam
from jikko.ids import is_uuid
from jikko.ports.stores.knowledge.records import Dataset
from jikko.repositories.knowledge.stores import OpenKnowledge


class DatasetNames:
    """The use cases about what files call datasets."""

    def __init__(self, knowledge: OpenKnowledge) -> None:
        self._knowledge = knowledge

    async def map(self, text: str, dataset: Dataset | None) -> None:
        """Have what workflow files call a dataset of another server mean one of here; ``None``: none any more."""
        await (await self._knowledge.made()).datasets.set_alias(text, None if dataset is None else dataset.id)

    async def understand(self, workspace_id: str) -> None:
        """Have encrypted ids of a workspace of Dify mean what is behind them, from now on.

        Raises:
            InvalidParam: It is no id of a workspace.
            DecryptionUnavailable: The library for it is not installed.
        """
        if not is_uuid(workspace_id):
            raise InvalidParam(f"{workspace_id!r} is no id of a workspace: it must be a UUID.")
        check_decryption()
        await (await self._knowledge.made()).datasets.add_workspace(workspace_id.lower())

    async def forget_workspace(self, workspace_id: str) -> bool:
        """Understand encrypted ids of a workspace no more. Returns whether they were understood."""
        stores = await self._knowledge.existing()
        return stores is not None and await stores.datasets.delete_workspace(workspace_id.lower())

    async def workspaces(self) -> list[str]:
        """The workspaces whose encrypted ids are understood."""
        stores = await self._knowledge.existing()
        return [] if stores is None else await stores.datasets.workspaces()

    async def mapped(self) -> dict[str, Dataset]:
        """What texts of workflow files mean."""
        stores = await self._knowledge.existing()
        if stores is None:
            return {}
        aliases = await stores.datasets.aliases()
        targets = await stores.datasets.datasets(set(aliases.values()))
        return {text: targets[target] for text, target in aliases.items() if target in targets}
