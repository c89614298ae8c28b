"""What datasets there are, read without an upgrade: for forecasts."""

from jikko.repositories.identifiers import id_text
from jikko.store.known_datasets import KnownIds
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.opening import is_there


async def known_ids(database: Postgres) -> KnownIds:
    """What workflow files can call the datasets.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    if not await is_there(database):
        return KnownIds()
    ids = await database.fetch("SELECT id FROM knowledge.dataset")
    texts = await database.fetch(
        "SELECT text FROM knowledge.alias WHERE dataset_id IN (SELECT id FROM knowledge.dataset)"
    )
    workspaces = await database.fetch("SELECT id FROM knowledge.workspace")
    return KnownIds(
        frozenset([*(id_text(row[0]) for row in ids), *(row[0] for row in texts)]),
        tuple(id_text(row[0]) for row in workspaces),
    )
