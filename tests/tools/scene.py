"""Tools of an installation, over real sockets."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jikko.assemble.build_tools import make_directory
from jikko.assemble.tool_service import make_tools
from jikko.outbound.outbound_client import AiohttpClient
from jikko.ports.tools import (
    BlobMessage,
    JsonMessage,
    NoTools,
    TextMessage,
    Tool,
    ToolCall,
    ToolMessage,
    ToolName,
    VariableMessage,
)
from jikko.repositories.app_store import App, WorkflowVersion
from jikko.settings import Settings
from jikko.tools.tools_of_installation import ToolService
from jikko.values import Json
from tests.nodes.context import FilesOfOneUser
from tests.outbound.clients import LOOPBACK
from tests.store.in_memory import AppsInMemory


@dataclass
class MemoryText:
    """Text output of a tool."""

    messages: list[ToolMessage] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(one.text for one in self.messages if isinstance(one, TextMessage))

    @property
    def json(self) -> list[Json]:
        return [one.value for one in self.messages if isinstance(one, JsonMessage)]

    @property
    def variables(self) -> dict[str, Json]:
        return {one.name: one.value for one in self.messages if isinstance(one, VariableMessage)}

    @property
    def blobs(self) -> list[BlobMessage]:
        return [one for one in self.messages if isinstance(one, BlobMessage)]


class Scene:
    """Tools of a tools file."""

    def __init__(self, tools: ToolService, file: Path) -> None:
        self.tools = tools
        self.file = file

    async def find(self, kind: str, provider: str, tool: str, *, app_id: str = "") -> Tool:
        name = ToolName(provider_type=kind, provider=provider, tool=tool)
        return self.tools.known(name, app_id=app_id) or await self.tools.find(name, app_id=app_id)

    async def call(self, kind: str, provider: str, tool: str, *, app_id: str = "", **values: Json) -> MemoryText:
        found = await self.find(kind, provider, tool, app_id=app_id)
        collected = MemoryText()
        call = ToolCall(tool=found, parameters=values, app_id=app_id, end_user_id="u", user="u", key="k")
        await self.tools.call(call, collected.messages.append)
        return collected


@asynccontextmanager
async def scene(
    tmp_path: Path,
    entries: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    apps: Sequence[str] = (),
    allow: Sequence[str] = LOOPBACK,
    files: Mapping[str, bytes] | None = None,
    workflows: Any = None,
    knowledge: Any = None,
    **settings: Any,
) -> AsyncIterator[Scene]:
    """Args:
    entries: Entries of ``tools:``.
    apps: Names of published apps; the id of each is its name prefixed with ``id-``."""
    file = tmp_path / "tools.yml"
    file.write_text(json.dumps({"tools": dict(entries or {})}, ensure_ascii=False), encoding="utf-8")
    nothing: Any = None
    store = await _apps(apps)
    contents: Any = FilesOfOneUser(dict(files or {}))
    given = Settings(home=tmp_path, tools=file, **settings)
    http = AiohttpClient(allow=allow, app_share=1, max_connections=given.http_connections)
    tools = make_tools(
        given,
        make_directory(given, store, environment or {}),
        http=http,
        files=contents,
        documents=nothing,
        sandbox=nothing,
        workflows=workflows,
        speech=nothing,
        defaults={},
        knowledge=knowledge,
        plugins=NoTools(),
    )
    try:
        yield Scene(tools, file)
    finally:
        await http.close()


async def _apps(names: Sequence[str]) -> AppsInMemory:
    store = AppsInMemory()
    for name in names:
        app = App(id=f"id-{name}", name=name, mode="workflow", created_at=0.0, workflow_id="w")
        await store.publish(
            app, WorkflowVersion(id="w", app_id=app.id, version="", number=1, source=b"", created_at=0.0)
        )
    return store


def api(url: str, *operations: str, **more: Any) -> dict[str, Any]:
    """Return an entry for a server, with a tool per GET path: its name, and an optional parameter ``q``."""
    query = {"name": "q", "in": "query", "schema": {"type": "string"}}
    paths = {f"/{name}": {"get": {"operationId": name, "parameters": [query]}} for name in operations}
    schema = {"openapi": "3.0.3", "servers": [{"url": url}], "paths": paths}
    return {"type": "api", "name": "api", "schema": json.dumps(schema), **more}
