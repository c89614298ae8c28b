"""The operations of datasets, in one table. All are for keys that begin with ``dataset-``."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from jikko.http.operation import Handler, Operation
from jikko.http.routes.knowledge.access import for_datasets
from jikko.http.tables.knowledge.dataset_operations import dataset_operations
from jikko.http.tables.knowledge.document_operations import document_operations
from jikko.http.tables.knowledge.metadata_operations import metadata_operations
from jikko.http.tables.knowledge.parts import IDS
from jikko.http.tables.knowledge.segment_operations import segment_operations


def _operations() -> Iterator[Operation]:
    yield from dataset_operations()
    yield from document_operations()
    yield from segment_operations()
    yield from metadata_operations()


def _for_datasets(operation: Operation) -> Operation:
    handler: Handler = for_datasets(operation.handler)
    tag = "Models" if operation.path.startswith("/v1/workspaces") else "Knowledge"
    ids = tuple(name for name in re.findall(r"{(\w+)}", operation.path) if name in (*IDS, "document_id"))
    # Older names of the same are served, and not described.
    old = "_by_" in operation.path or operation.path.endswith("hit-testing")
    return replace(operation, handler=handler, tag=tag, ids=ids, key="dataset", described=not old)


KNOWLEDGE_OPERATIONS: Final = tuple(map(_for_datasets, _operations()))
