"""The operations as the application serves them: what is asked for all the time, and sections of all else."""

from collections.abc import Iterator
from typing import Final

from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.operation import Operation, Section, operations_in
from jikko.http.routes import file_routes, form_routes, health, info, record_routes, retries, run_events, run_routes
from jikko.http.routes.health import WELCOME_OPERATIONS


def _chats() -> Iterator[Operation]:
    from jikko.http.routes.conversations import conversations, message_routes, turn_routes

    return operations_in(turn_routes, message_routes, conversations)


def _around_chats() -> Iterator[Operation]:
    from jikko.http.routes import annotation_routes, audio, completions

    return operations_in(annotation_routes, audio, completions)


def _knowledge() -> Iterator[Operation]:
    from jikko.http.routes.knowledge import dataset_routes, document_routes, metadata_routes, segment_routes

    return operations_in(dataset_routes, document_routes, segment_routes, metadata_routes)


def _mcp() -> Iterator[Operation]:
    from jikko.http.mcp import app_server

    return operations_in(app_server)


def _openai() -> Iterator[Operation]:
    from jikko.http.openai import chat_completions, response_routes

    return operations_in(chat_completions, response_routes)


def _openai_refusals() -> Refusals:
    from jikko.http.openai.chat_completions import REFUSALS

    return REFUSALS


def _ag_ui() -> Iterator[Operation]:
    from jikko.http.ag_ui import agent_routes

    return operations_in(agent_routes)


def _webhooks() -> Iterator[Operation]:
    from jikko.http.routes import webhooks

    return operations_in(webhooks)


def _reference() -> Iterator[Operation]:
    from jikko.http.reference import reference_operations

    return operations_in(reference_operations)


API: Final[tuple[Operation | Section, ...]] = (
    *operations_in(run_routes, record_routes, run_events, retries, file_routes, form_routes, info, health),
    Section(("/v1/chat-messages", "/v1/messages", "/v1/conversations", "/v1/app/"), _chats),
    Section(("/v1/apps/", "/v1/audio-to-text", "/v1/text-to-audio", "/v1/completion-messages"), _around_chats),
    Section(("/v1/datasets", "/v1/workspaces/"), _knowledge, services=lambda api: (api.knowledge,)),
    Section(("/mcp/server/",), _mcp, services=lambda api: (api.served_apps,)),
    Section(("/v1/models", "/v1/chat/", "/v1/responses"), _openai, refused=_openai_refusals),
    Section(("/ag-ui/",), _ag_ui, refused=lambda: REFUSALS),
    Section(("/triggers/",), _webhooks, services=lambda api: (api.triggers, api.webhooks)),
)
"""Those that are described."""
SERVED: Final = (*API, *WELCOME_OPERATIONS, Section(("/openapi.json", "/docs"), _reference))
