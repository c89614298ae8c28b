"""Host calls: what a plugin requests during one call of it (models, tools, storage, files).

Each kind needs a permission in the plugin's manifest, and acts for the app of the call.
"""

import asyncio
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.plugins.host.gate import NetworkGate
from jikko.plugins.host.prompt import BadPrompt, chunk, last_chunk, request_of, to_plugin
from jikko.plugins.package.declaration import Plugin
from jikko.plugins.plugins_file import PluginsConfig
from jikko.plugins.process.call import InvocationMessage
from jikko.ports.agents import AgentHost
from jikko.ports.files.file_store import FileStore
from jikko.ports.models import FunctionTool, ModelFailure, ModelRequest, PromptMessage
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.ports.tools import BlobMessage, Caller, FileMessage, ToolMessage, ToolName
from jikko.repositories.plugin_storage import MAX_KEY, PluginStorage

_NEEDS: Final = {
    "llm": "model.llm",
    "llm_structured_output": "model.llm",
    "system_summary": "model.llm",
    "tool": "tool",
    "storage": "storage",
    "upload_file": "",
}
_LINKS: Final = ("image", "image_link", "link", "file")
"""Types of messages that link to a file."""
_STORAGE: Final = 1 << 20
"""Storage quota in bytes, for plugins that do not ask for one."""
_MAX_STORAGE_BYTES: Final = 100 << 20
_CHARACTERS: Final = 24_000
"""Shorter pages are not summarised. About 60 % of the context of today's smallest models."""
_SUMMARY: Final = (
    "You condense texts for an assistant. Keep every fact that bears on the request, leave out the rest, and answer in "
    "the language of the text with the summary alone."
)


class HostCalls(Struct, eq=False):
    """The ``Backwards`` of one plugin call."""

    plugin: Plugin
    caller: Caller
    host: AgentHost
    """Calls models and tools."""
    files: FileStore
    storage: PluginStorage
    gate: NetworkGate
    config: PluginsConfig
    stack: ExitStack
    """Closes with the call, with everything it offers at the gate."""
    _linked: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def linked(self, received: InvocationMessage) -> Mapping[str, Any] | None:
        """Return the file mapping if the plugin passes on a link to a file that a tool made in this call.

        The link is not fetched: it points to this server, which the address policy refuses.
        """
        if received.type not in _LINKS or received.meta is None:
            return None
        return self._linked.get(str(received.meta.get("tool_file_id")))

    def __call__(self, kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        needed = _NEEDS.get(kind)
        if needed is None:
            raise PermissionError(f"Jikko does not offer {kind[:60]!r} to plugins.")
        if needed and needed not in self.plugin.permissions:
            raise PermissionError(f"The manifest of {self.plugin.id} does not ask for the permission {needed!r}.")
        match kind:
            case "llm" | "llm_structured_output":
                return self._complete(request, structured=kind != "llm")
            case "system_summary":
                return self._summary(request)
            case "tool":
                return self._tool(request)
            case "storage":
                return self._kept(request)
            case _:
                return self._upload(request)

    async def _complete(self, asked: dict[str, Any], *, structured: bool) -> AsyncIterator[Any]:
        caller = self.caller
        request = request_of(asked, app_id=caller.app_id, run_id=caller.run_id, key=caller.key)
        if structured:
            async for part in self._structured(request, asked):
                yield part
            return
        pieces: asyncio.Queue[str] = asyncio.Queue()
        shown, index = 0, 0
        task = asyncio.get_running_loop().create_task(
            self.host.complete(request, lambda piece: pieces.put_nowait(piece.text))
        )
        try:
            while True:
                waiting = asyncio.ensure_future(pieces.get())
                try:
                    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    piece = waiting.result() if waiting.done() and not waiting.cancelled() else None
                    waiting.cancel()
                if piece is None:
                    break
                shown += len(piece)
                if piece:
                    yield chunk(request.model, index, piece)
                    index += 1
            try:
                completion = await task
            except ModelFailure as failure:
                raise RuntimeError(f"{failure.kind}: {failure}") from None
            yield last_chunk(request.model, index, completion.text[shown:], completion)
        finally:
            task.cancel()

    async def _structured(self, request: ModelRequest, asked: Mapping[str, Any]) -> AsyncIterator[Any]:
        import json

        schema = asked.get("structured_output_schema")
        if not isinstance(schema, dict):
            raise BadPrompt("structured_output_schema is not a JSON Schema.")
        # A forced function call: more models support it than follow a schema.
        tool = FunctionTool("answer", "Gives the answer.", schema)
        completion = await self.host.complete(replace(request, tools=(tool,), tool_choice="required", stream=False))
        written = completion.tool_calls[0].arguments if completion.tool_calls else completion.text
        try:
            value = json.loads(written)
        except (ValueError, RecursionError):
            raise RuntimeError("The model's answer is not JSON.") from None
        part = last_chunk(request.model, 0, written, completion)
        part["delta"]["message"]["tool_calls"] = []
        yield part | {"structured_output": value}

    async def _summary(self, asked: dict[str, Any]) -> AsyncIterator[Any]:
        text = str(asked.get("text") or "")
        if len(text) <= _CHARACTERS:
            yield {"summary": text}
            return
        model = self.config.summary_model
        if model is None:
            raise RuntimeError(
                f"The text has {len(text)} characters and is to be summarised, but no summary_model is set in the "
                f"plugins file{f' {self.config.source}' if self.config.source else ' (JIKKO_PLUGINS)'}."
            )
        instruction = str(asked.get("instruction") or "")
        parts = []
        for start in range(0, len(text), _CHARACTERS):
            piece = text[start : start + _CHARACTERS]
            request = ModelRequest(
                provider=model[0],
                model=model[1],
                messages=(
                    PromptMessage("system", (_SUMMARY,)),
                    PromptMessage("user", (f"Request: {instruction}\n\nText: {piece}",)),
                ),
                stream=False,
                app_id=self.caller.app_id,
                run_id=self.caller.run_id,
                key=self.caller.key,
            )
            try:
                parts.append((await self.host.complete(request)).text)
            except ModelFailure as failure:
                raise RuntimeError(f"{failure.kind}: {failure}") from None
        yield {"summary": "\n".join(parts)}

    async def _tool(self, asked: dict[str, Any]) -> AsyncIterator[Any]:
        name = ToolName(
            provider_type=str(asked.get("tool_type") or "builtin"),
            provider=str(asked.get("provider") or ""),
            tool=str(asked.get("tool") or ""),
            credential_id=str(asked.get("credential_id") or ""),
        )
        given = asked.get("tool_parameters")
        answers: list[ToolMessage] = []
        await self.host.call_tool(name, given if isinstance(given, dict) else {}, answers.append)
        for message in answers:
            match message:
                case BlobMessage(content, mime_type, filename):
                    yield await self._file_link(await self._made(content, filename, mime_type))
                case FileMessage(file):
                    yield await self._file_link(dict(file))
                case _:
                    answer = to_plugin(message)
                    if answer is not None:
                        yield answer

    async def _made(self, content: bytes, filename: str, mime_type: str) -> dict[str, Any]:
        caller = self.caller
        return await self.files.make(
            content, app_id=caller.app_id, end_user_id=caller.end_user_id, name=filename or "file", mime_type=mime_type
        )

    async def _file_link(self, file: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a tool's file as the SDK expects it: a link and the file's id."""
        kind = "image_link" if file.get("type") == "image" else "link"
        url = file.get("url") or file.get("remote_url") or ""
        file_id = str(file.get("related_id") or file.get("id") or "")
        if file_id:
            self._linked[file_id] = file
        meta = {"tool_file_id": file_id or None, "mime_type": file.get("mime_type")}
        return {"type": kind, "message": {"text": str(url)}, "meta": meta}

    async def _kept(self, asked: dict[str, Any]) -> AsyncIterator[Any]:
        key, plugin, app_id = asked.get("key"), self.plugin, self.caller.app_id
        if not isinstance(key, str) or not key or len(key) > MAX_KEY:
            raise ValueError(f"A key has 1 to {MAX_KEY} characters.")
        match asked.get("opt"):
            case "get":
                value = await self.storage.get(app_id, plugin.id, key)
                if value is None:
                    raise KeyError(f"Nothing is stored under {key[:60]!r}.")
                yield {"data": value.hex()}
            case "set":
                try:
                    value = binascii.unhexlify(str(asked.get("value") or ""))
                except (binascii.Error, ValueError):
                    raise ValueError("The value is not written in hexadecimal digits.") from None
                most = min(plugin.storage or _STORAGE, _MAX_STORAGE_BYTES)
                await self.storage.set(app_id, plugin.id, key, value, most=most)
                yield {"data": "ok"}
            case "del":
                await self.storage.delete(app_id, plugin.id, key)
                yield {"data": "ok"}
            case "exist":
                yield {"data": await self.storage.get(app_id, plugin.id, key) is not None}
            case other:
                raise ValueError(f"Unknown storage operation {str(other)[:40]!r}.")

    async def _upload(self, asked: dict[str, Any]) -> AsyncIterator[Any]:
        name = str(asked.get("filename") or "file")
        kind = str(asked.get("mimetype") or "application/octet-stream")

        async def keep(content: bytes, _name: str, _kind: str) -> dict[str, Any]:
            try:
                file = await self._made(content, name, kind)
            except FileTooLarge as error:
                raise ValueError(str(error)) from None
            extension = str(file.get("extension") or "").lstrip(".")
            return {
                "id": file.get("related_id") or file.get("id"),
                "name": name,
                "size": len(content),
                "extension": extension,
                "mime_type": kind,
                "preview_url": file.get("url"),
            }

        self.gate.listen()
        yield {"url": self.stack.enter_context(self.gate.taking(keep))}
