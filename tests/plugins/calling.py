"""Calls to installed plugins through the ports of nodes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jikko.assemble.plugin_runtime import make_runtime
from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.plugins.plugin_tools import PluginStrategies, PluginTools
from jikko.plugins.runtime import PluginRuntime
from jikko.ports.models import (
    Completion,
)
from jikko.ports.tools import ToolCall, ToolName
from jikko.settings import Settings
from tests.nodes.models import ScriptedModels
from tests.store.in_memory import FilesInMemory


class World:
    def __init__(self, runtime: PluginRuntime, models: Any, stored: Files) -> None:
        self.runtime = runtime
        self.files = stored
        self.tools = PluginTools(runtime, models=models, tools=lambda: self.tools)
        self.strategies = PluginStrategies(runtime)

    async def messages_of(
        self, tool: str, *, app: str = "app", depth: int = 0, provider: str = "tester/stand_in/stand_in", **given: Any
    ) -> list[Any]:
        name = ToolName(provider_type="builtin", provider=provider, tool=tool)
        messages: list[Any] = []
        found = await self.tools.find(name)
        call = ToolCall(
            tool=found, parameters=given, app_id=app, end_user_id="user", user="anna", key="run/node", depth=depth
        )
        await self.tools.call(call, messages.append)
        return messages

    async def asked(self, kind: str, request: Any = None, **more: Any) -> Any:
        """Return the answer to the plugin; a text if it is an error."""
        [message] = await self.messages_of("ask", type=kind, request=request or {}, **more)
        text = message.text
        return json.loads(text) if text.startswith("[") else text


@asynccontextmanager
async def world(home: Path, *, models: Any = None, plugins: str = "", **settings: Any) -> AsyncIterator[World]:
    if plugins:
        (home.parent / "plugins.yml").write_text(plugins)
        settings["plugins"] = home.parent / "plugins.yml"
    signer = UrlSigner(keys=SigningKeys(b"k" * 32), base_url="http://jikko.test", validity=60.0)
    stored = Files(FilesInMemory(), MemoryBlobs(), signer)
    runtime = make_runtime(Settings(home=home, **settings), files=stored, environment={"KEY": "s3cret"})
    try:
        yield World(runtime, models or ScriptedModels([Completion(text="")]), stored)
    finally:
        await runtime.close()
