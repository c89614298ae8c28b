"""Workflows and datasets of this server as tools. Source: docs/dify-behaviour.md, “Workflows as tools”."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.app_config import dataset_tool
from jikko.events import Usage
from jikko.nodes.knowledge.knowledge_retrieval import found_texts
from jikko.nodes.model.llm import cited_sources
from jikko.ports.app_calls import MAX_DEPTH, InnerApp, InnerCall, InnerInput, InnerRefused, InnerWorkflows
from jikko.ports.knowledge import KnowledgeSearch, SearchedDataset, SearchFailure, SearchRequest
from jikko.ports.tools import (
    CITATIONS,
    Emit,
    FileMessage,
    JsonMessage,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolNotFound,
    ToolParameter,
    VariableMessage,
)
from jikko.tools.directory import EntryTools, ToolsDirectory, reported_usage
from jikko.tools.tools_file import AppParameter, WorkflowProvider
from jikko.values import Json, as_list, is_file

_TYPES: Final = {
    "text-input": "string",
    "paragraph": "string",
    "select": "select",
    "number": "number",
    "checkbox": "boolean",
    "file": "file",
    "file-list": "files",
    "json_object": "object",
}
_FILES: Final = "system-files"
"""Type of the parameter for the request's files."""
_OWN: Final = frozenset({"text", "json", "files"})
"""Outputs of tool nodes, which the app's outputs do not override."""
_ID_NAMES: Final = {"local_file": "upload_file_id", "remote_url": "upload_file_id", "tool_file": "tool_file_id"}
"""Additional key of a file's id, for files that were outputs of the app. A quirk of Dify."""


class WorkflowTools(EntryTools):
    """``Tools`` of provider type ``workflow``. Implements ``ToolListing``."""

    entries = WorkflowProvider
    provider_type = "workflow"

    def __init__(self, directory: ToolsDirectory, workflows: InnerWorkflows) -> None:
        super().__init__(directory)
        self._workflows = workflows

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        if self._directory.is_current():
            self._directory.provider(name, WorkflowProvider)
        # Its parameters depend on the app.
        return None

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        await self._directory.refresh()
        provider = self._directory.provider(name, WorkflowProvider)
        await self._directory.credentials(provider, app_id)
        app = await self._app(provider)
        described = {one.name: one for one in provider.parameters}
        inputs = {one.name: one for one in app.inputs}
        names = described or dict.fromkeys(inputs, AppParameter(name=""))
        parameters = tuple(_parameter(name, how, inputs.get(name)) for name, how in names.items())
        return Tool(name=name, parameters=parameters, description=provider.description)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        provider = self._directory.provider(call.tool.name, WorkflowProvider)
        if call.depth >= MAX_DEPTH:
            raise ToolFailure(f"workflows may call each other {MAX_DEPTH} levels deep, and not deeper")
        app = await self._app(provider)
        given = {parameter.name: call.parameters.get(parameter.name) for parameter in call.tool.parameters}
        system = [one.name for one in call.tool.parameters if one.type == _FILES]
        files = [file for name in system for file in as_list(given.pop(name)) if file is not None]
        for one in call.tool.parameters:
            if one.type == "files" and isinstance(listed := given.get(one.name), list):
                given[one.name] = [file for file in listed if file is not None]
        inner = InnerCall(
            app=app,
            inputs=given,
            files=files,
            user=call.user,
            end_user_id=call.end_user_id,
            key=call.key,
            depth=call.depth + 1,
        )
        try:
            outcome = await self._workflows.run(inner)
        except InnerRefused as refusal:
            raise ToolFailure(str(refusal), reported=False) from None
        usage = _usage(outcome.outputs, outcome.total_tokens)
        if outcome.error is not None:
            raise ToolFailure(outcome.error, usage=usage)
        for message in _messages(outcome.outputs):
            emit(message)
        return usage

    async def offered(self, provider: ToolName) -> list[Tool]:
        await self._directory.refresh()
        found = self._directory.provider(provider, WorkflowProvider)
        return [await self.find(replace(provider, tool=found.name))]

    async def _app(self, provider: WorkflowProvider) -> InnerApp:
        try:
            app = await self._workflows.find(provider.app)
        except InnerRefused as refusal:
            params = {"app": repr(provider.app), "reason": str(refusal)}
            raise ToolNotFound(Phrase("tool.app_refused", params)) from None
        if app is None:
            what = Phrase("tool.app_missing", {"name": provider.name, "app": repr(provider.app)})
            raise ToolNotFound(what, Phrase("remedy.import_app"))
        if app.waits_for_humans:
            what = Phrase("tool.app_asks", {"app": repr(provider.app)})
            raise ToolNotFound(what, Phrase("remedy.tool_cannot_ask"))
        return app


def _parameter(name: str, how: AppParameter, variable: InnerInput | None) -> ToolParameter:
    if variable is None:
        return ToolParameter(name=name, type=_FILES, form=how.form, description=how.description)
    return ToolParameter(
        name=name,
        type=_TYPES.get(variable.type, "string"),
        form=how.form,
        required=variable.required,
        options=variable.options,
        description=how.description,
    )


def _messages(outputs: Mapping[str, Json]) -> Iterator[ToolMessage]:
    reported = {name: _with_ids(value) for name, value in outputs.items()}
    for file in _files_in(outputs):
        yield FileMessage(file)
    yield TextMessage(json.dumps(reported, ensure_ascii=False))
    yield JsonMessage(reported)
    for name, value in reported.items():
        if name not in _OWN:
            yield VariableMessage(name, value)


def _with_ids(value: Json) -> Json:
    if is_file(value):
        name, file_id = _ID_NAMES.get(value.get("transfer_method")), value.get("related_id")
        return {**value, name: file_id} if name and file_id else value
    return [_with_ids(item) for item in value] if isinstance(value, list) else value


def _files_in(outputs: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    found: list[Mapping[str, Json]] = []
    for value in outputs.values():
        found += [item for item in (value if isinstance(value, list) else [value]) if is_file(item)]
    return found


def _usage(outputs: Mapping[str, Json], total_tokens: int) -> Usage | None:
    """Return the usage of the inner run; a quirk of Dify: an output object ``usage`` takes precedence."""
    reported = _usage_of(outputs)
    if reported is not None:
        return reported_usage(reported)
    return Usage(total_tokens=total_tokens) if total_tokens else None


def _usage_of(outputs: Mapping[str, Json]) -> Mapping[str, Any] | None:
    for name, value in outputs.items():
        found = value if name == "usage" else value.get("usage") if isinstance(value, dict) else None
        if isinstance(found, dict) and "total_tokens" in found:
            return found
    return None


_QUERY: Final = ToolParameter(name="query", required=False, description="What is looked for.")


class DatasetTools:
    """``Tools`` of the kind ``dataset``; the provider is a dataset's id. See ``ports.tools.Tools``."""

    def __init__(self, knowledge: KnowledgeSearch) -> None:
        self._knowledge = knowledge

    def icon(self, name: ToolName) -> Json | None:
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """See ``Tools.known``: requires the store."""
        return None

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        dataset = await self._dataset(name)
        about = dataset.description or f"Finds texts in the dataset {dataset.name!r}."
        named = ToolName(provider_type=name.provider_type, provider=name.provider, tool=dataset_tool(dataset.id))
        return Tool(name=named, parameters=(_QUERY,), description=about)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        """See ``Tools.call``. Searches with the dataset's own retrieval settings."""
        query = call.parameters.get("query")
        if not isinstance(query, str) or not query:
            emit(TextMessage("query is missing"))
            return None
        dataset = await self._dataset(call.tool.name)
        request = SearchRequest(query=query, dataset_ids=(dataset.id,), app_id=call.app_id, run_id=call.run_id)
        try:
            hits = (await self._knowledge.search(request)).hits
        except SearchFailure as failure:
            raise ToolFailure(str(failure), reported=False) from None
        self._knowledge.count_hits(hits)
        found = found_texts(hits)
        emit(TextMessage("\n".join(str(each["content"]) for each in found)))
        emit(VariableMessage(CITATIONS, list(cited_sources(found))))
        return None

    async def _dataset(self, name: ToolName) -> SearchedDataset:
        try:
            found = await self._knowledge.usable([name.provider])
        except SearchFailure as failure:
            raise ToolNotFound(Phrase("document.verbatim", {"text": str(failure)})) from None
        if not found:
            raise ToolNotFound(Phrase("tool.no_dataset", {"dataset": name.provider}))
        return found[0]
