"""Operations of the application: the most used ones, and sections of the others."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Final

from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.operation import Operation, Section, operations_in
from jikko.http.routes import file_routes, form_routes, health, info, record_routes, retries, run_events, run_routes
from jikko.http.routes.health import WELCOME_OPERATIONS


def _in(folder: str, *modules: str) -> Callable[[], Iterator[Operation]]:
    """Return a function that imports modules of a folder here, and yields their operations."""
    names = [f"jikko.http.{folder}.{name}" for name in modules]
    return lambda: operations_in(*map(import_module, names))


def _openai_refusals() -> Refusals:
    from jikko.http.openai.chat_completions import REFUSALS

    return REFUSALS


API: Final[tuple[Operation | Section, ...]] = (
    *operations_in(run_routes, record_routes, run_events, retries, file_routes, form_routes, info, health),
    Section(
        ("/v1/chat-messages", "/v1/messages", "/v1/conversations", "/v1/app/"),
        _in("routes.conversations", "turn_routes", "message_routes", "conversations"),
    ),
    Section(
        ("/v1/apps/", "/v1/audio-to-text", "/v1/text-to-audio", "/v1/completion-messages"),
        _in("routes", "annotation_routes", "audio", "completions"),
    ),
    Section(
        ("/v1/datasets", "/v1/workspaces/"),
        _in("routes.knowledge", "dataset_routes", "document_routes", "segment_routes", "metadata_routes"),
        services=lambda api: (api.knowledge,),
    ),
    Section(("/mcp/server/",), _in("mcp", "app_server"), services=lambda api: (api.served_apps,)),
    Section(
        ("/v1/models", "/v1/chat/", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/images/", "/v1/audio/"),
        _in("openai", "chat_completions", "response_routes"),
        refused=_openai_refusals,
    ),
    Section(("/ag-ui/",), _in("ag_ui", "agent_routes"), refused=lambda: REFUSALS),
    Section(("/triggers/",), _in("routes", "webhooks"), services=lambda api: (api.triggers, api.webhooks)),
)
"""Described operations."""
SERVED: Final = (
    *API,
    *WELCOME_OPERATIONS,
    Section(("/openapi.json", "/docs"), _in("reference", "reference_operations")),
)
