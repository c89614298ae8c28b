"""Passages of knowledge that an answer cites, as lists of messages show them.

Source: Dify 1.15, spec/knowledge.md §5.1.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid5

from jikko.values import Json

_LEFT_OUT: Final = ("retriever_from", "page", "doc_metadata", "title", "files")
"""What the end of an answer tells of a passage, and a list does not."""


def cited_resources(message_id: str, resources: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """The passages that a message cites.

    Dify gives each two ids that name nothing, not even the message; here they stay the same.
    """
    own = UUID(message_id)
    return [
        {
            "id": str(uuid5(own, f"resource/{place}")),
            "message_id": str(uuid5(own, f"message/{place}")),
            **{name: each for name, each in resource.items() if name not in _LEFT_OUT},
            "created_at": None,
        }
        for place, resource in enumerate(resources)
    ]
