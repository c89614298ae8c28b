"""Datasets as tools of agents. Source: docs/dify-behaviour.md, “Agents of apps without a workflow”."""

from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.app_config import dataset_tool
from jikko.events import Usage
from jikko.nodes.knowledge.knowledge_retrieval import found_texts
from jikko.nodes.model.llm import cited_sources
from jikko.ports.knowledge import KnowledgeSearch, SearchedDataset, SearchFailure, SearchRequest
from jikko.ports.tools import (
    CITATIONS,
    Emit,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolName,
    ToolNotFound,
    ToolParameter,
    VariableMessage,
)
from jikko.values import Json

_QUERY: Final = ToolParameter(name="query", required=False, description="What is looked for.")


class DatasetTools:
    """``Tools`` of the kind ``dataset``; the provider is the id of a dataset. See ``ports.tools.Tools``."""

    def __init__(self, knowledge: KnowledgeSearch) -> None:
        self._knowledge = knowledge

    def icon(self, name: ToolName) -> Json | None:
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """See ``Tools.known``: only the store can tell."""
        return None

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        dataset = await self._dataset(name)
        about = dataset.description or f"Finds texts in the dataset {dataset.name!r}."
        named = ToolName(provider_type=name.provider_type, provider=name.provider, tool=dataset_tool(dataset.id))
        return Tool(name=named, parameters=(_QUERY,), description=about)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        """See ``Tools.call``. It is searched as its own retrieval settings say."""
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

    async def close(self) -> None:
        """See ``Tools.close``."""

    async def _dataset(self, name: ToolName) -> SearchedDataset:
        try:
            found = await self._knowledge.usable([name.provider])
        except SearchFailure as failure:
            raise ToolNotFound(Phrase("document.verbatim", {"text": str(failure)})) from None
        if not found:
            raise ToolNotFound(Phrase("tool.no_dataset", {"dataset": name.provider}))
        return found[0]
