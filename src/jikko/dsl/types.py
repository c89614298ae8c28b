"""Node types of Dify."""

from typing import Final

ENTRY_TYPES: Final = frozenset({"start", "datasource", "trigger-webhook", "trigger-schedule", "trigger-plugin"})
"""Entry nodes of runs. Source: docs/dify-behaviour.md, “Nodes and edges”."""

SILENT_TRIGGERS: Final = frozenset({"trigger-plugin"})
"""Triggers that start no runs here: only the API does."""

CONTAINER_STARTS: Final = {"iteration": "iteration-start", "loop": "loop-start"}
"""Containers, and the start pseudo-node of their bodies."""

RETRYING_TYPES: Final = frozenset({"llm", "tool", "http-request", "code"})
"""Types with retries (``retry_config``). Source: docs/dify-behaviour.md, “Retries”."""

DIFY_TYPES: Final = ENTRY_TYPES | frozenset(
    """
    end answer llm knowledge-retrieval knowledge-index if-else code template-transform question-classifier http-request
    tool agent variable-aggregator parameter-extractor assigner document-extractor list-operator human-input iteration
    iteration-start loop loop-start loop-end
    """.split()
)
"""All types of Dify 1.15. Any other type is an error."""

OLD_TYPE_NAMES: Final = {"variable-assigner": "variable-aggregator"}
"""Renamed types. Source: docs/dify-behaviour.md, “Older files”."""

APP_STRATEGIES: Final = "app"
"""Provider of strategies for agent apps: Jikko's own."""
