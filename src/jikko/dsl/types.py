"""The node types that Dify knows."""

from typing import Final

ENTRY_TYPES: Final = frozenset({"start", "datasource", "trigger-webhook", "trigger-schedule", "trigger-plugin"})
"""Where a run may begin. Source: docs/dify-behaviour.md, “Nodes and edges”."""

SILENT_TRIGGERS: Final = frozenset({"trigger-plugin"})
"""Entries that start no run here: only the API does."""

CONTAINER_STARTS: Final = {"iteration": "iteration-start", "loop": "loop-start"}
"""The containers, and the pseudo-node that their bodies begin at."""

RETRYING_TYPES: Final = frozenset({"llm", "tool", "http-request", "code"})
"""The types whose ``retry_config`` counts. Source: docs/dify-behaviour.md, “Retries”."""

DIFY_TYPES: Final = ENTRY_TYPES | frozenset(
    """
    end answer llm knowledge-retrieval knowledge-index if-else code template-transform question-classifier http-request
    tool agent variable-aggregator parameter-extractor assigner document-extractor list-operator human-input iteration
    iteration-start loop loop-start loop-end
    """.split()
)
"""Every type of Dify 1.15. A node of another type is a mistake."""

OLD_TYPE_NAMES: Final = {"variable-assigner": "variable-aggregator"}
"""Names that were replaced. Source: docs/dify-behaviour.md, “Older files”."""

APP_STRATEGIES: Final = "app"
"""The provider of the strategies of agent apps: Jikko's own."""
