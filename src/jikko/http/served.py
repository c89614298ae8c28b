"""The operations as the application serves them: what is asked for all the time, and sections of all else."""

from collections.abc import Iterator
from typing import Final

from jikko.http.operation import Operation, Section, operations_in
from jikko.http.routes import files, forms, health, info, records, retries, run_events, runs
from jikko.http.welcome import WELCOME_OPERATIONS


def _chats() -> Iterator[Operation]:
    from jikko.http.routes.conversations import conversations, messages, turns, variables

    return operations_in(turns, messages, conversations, variables)


def _around_chats() -> Iterator[Operation]:
    from jikko.http.routes import annotations, audio, completions

    return operations_in(annotations, audio, completions)


def _knowledge() -> Iterator[Operation]:
    from jikko.http.routes.knowledge import datasets, documents, metadata, retrieve, segments

    return operations_in(datasets, retrieve, documents, segments, metadata)


def _mcp() -> Iterator[Operation]:
    from jikko.http.routes import mcp_server

    return operations_in(mcp_server)


def _openai() -> Iterator[Operation]:
    from jikko.http.openai import chat, responses

    return operations_in(chat, responses)


def _webhooks() -> Iterator[Operation]:
    from jikko.http.routes import webhooks

    return operations_in(webhooks)


def _reference() -> Iterator[Operation]:
    from jikko.http.reference import operations

    return operations_in(operations)


API: Final[tuple[Operation | Section, ...]] = (
    *operations_in(runs, records, run_events, retries, files, forms, info, health),
    Section(("/v1/chat-messages", "/v1/messages", "/v1/conversations", "/v1/app/"), _chats),
    Section(("/v1/apps/", "/v1/audio-to-text", "/v1/text-to-audio", "/v1/completion-messages"), _around_chats),
    Section(("/v1/datasets", "/v1/workspaces/"), _knowledge, services=lambda api: (api.knowledge,)),
    Section(("/mcp/",), _mcp, services=lambda api: (api.served_apps,)),
    Section(("/v1/models", "/v1/chat/", "/v1/responses"), _openai),
    Section(("/triggers/",), _webhooks, services=lambda api: (api.triggers, api.webhooks)),
)
"""Those that are described."""
SERVED: Final = (*API, *WELCOME_OPERATIONS, Section(("/openapi.json", "/docs"), _reference))
