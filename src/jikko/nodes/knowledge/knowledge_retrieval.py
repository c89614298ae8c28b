"""Knowledge Retrieval node. Source: docs/dify-behaviour.md, “Metadata conditions”, “Knowledge retrieval”."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Self, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.dsl.fields import Fields
from jikko.lang.templates import Template, to_text
from jikko.lang.variables import Readable
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.nodes.knowledge.asking import called_dataset, chosen_dataset, implied_conditions
from jikko.nodes.model.model_call import ModelConfig, abilities
from jikko.nodes.node_variables import SECRET_MESSAGE, contains_secret
from jikko.ports.knowledge import Hit, MergedRanking, MetadataFilter, SearchedDataset, SearchFailure, SearchRequest
from jikko.ports.models import ModelUsage
from jikko.values import UNSET, Json, Selector

MODES: Final = ("disabled", "manual", "automatic")
_Value: TypeAlias = "Template | tuple[Template, ...] | Json"


class MetadataCondition(Struct, frozen=True):
    """One condition; its value may have references."""

    name: str
    operator: str
    value: _Value


class Filtering(Struct, frozen=True):
    mode: str
    conditions: tuple[MetadataCondition, ...]
    any_of_them: bool
    has_operator: bool
    """Whether the file has a logical operator."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        given = data.mapping("metadata_filtering_conditions")
        conditions = tuple(
            MetadataCondition(entry.text("name"), entry.text("comparison_operator"), _parsed(entry.raw.get("value")))
            for entry in given.mappings("conditions")
        )
        operator = given.raw.get("logical_operator")
        mode = data.choice("metadata_filtering_mode", MODES, "disabled")
        return cls(mode, conditions, operator == "or", bool(operator))

    def resolved(self, variables: Readable) -> MetadataFilter | None:
        """Return the manual conditions with their values; ``None`` without any."""
        if not self.conditions:
            return None
        return MetadataFilter(
            tuple(
                {"name": each.name, "comparison_operator": each.operator, "value": _resolved(each.value, variables)}
                for each in self.conditions
            ),
            self.any_of_them,
        )


def _parsed(value: Json) -> _Value:
    match value:
        case str():
            return Template.parse(value)
        case list():
            return tuple(Template.parse(each if isinstance(each, str) else to_text(each)) for each in value)
        case _:
            return value


def _resolved(value: _Value, variables: Readable) -> Json:
    match value:
        case Template():
            return _one(value, variables)
        case tuple():
            return [each.to_text(variables) for each in value]
        case _:
            return value


def _one(template: Template, variables: Readable) -> Json:
    """Return a condition's value; a single reference keeps a number, and null drops the condition."""
    if len(template.parts) == 1 and not isinstance(template.parts[0], str):
        held = variables.get(template.parts[0])
        if held is None or (isinstance(held, (int, float)) and not isinstance(held, bool)):
            return held
        if held is not UNSET and not isinstance(held, str):
            return to_text(held)
    return template.to_text(variables)


class KnowledgeRetrieval(NodeConfig, frozen=True):
    """Find the passages that match a query best. Source: docs/dify-behaviour.md, “Knowledge retrieval”."""

    type: ClassVar[str] = "knowledge-retrieval"

    query: Selector
    attachments: Selector
    dataset_ids: tuple[str, ...]
    """As in the file: ids, or texts mapped to datasets."""
    single: bool
    """Whether a model chooses one dataset; otherwise all are searched."""
    ranking: MergedRanking | None
    """``None``: missing in the file, and the node fails."""
    lacks_weights: bool
    chooser: ModelConfig | None
    filtering: Filtering
    of_app: bool
    """Whether it belongs to an app without a workflow: without a query nothing is searched, and a model with function
    calling chooses a dataset by a call."""
    filter_model: ModelConfig | None

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        single = data.choice("retrieval_mode", ("multiple", "single"), "multiple") == "single"
        ranking, lacks_weights = _ranking(data)
        return cls(
            query=data.selector("query_variable_selector"),
            attachments=data.selector("query_attachment_selector"),
            dataset_ids=tuple(str(each) for each in data.items("dataset_ids") if each),
            single=single,
            ranking=ranking,
            lacks_weights=lacks_weights,
            chooser=_model(data.mapping("single_retrieval_config"), "model"),
            filtering=Filtering.from_dsl(data),
            of_app=data.boolean("of_app"),
            filter_model=_model(data, "metadata_model_config"),
        )

    @property
    def missing_setting(self) -> str:
        """Return the missing setting without which the node always fails; ``""`` if there is none."""
        if self.single:
            return "single_retrieval_config" if self.chooser is None else ""
        if self.ranking is None:
            return "multiple_retrieval_config"
        return "weights" if self.lacks_weights else ""

    async def run(self, ctx: Context) -> Result:
        if not self.query and not self.attachments:
            return Result()
        inputs: dict[str, Json] = {}
        usages: list[ModelUsage] = []
        try:
            return await self._run(ctx, inputs, usages)
        except SearchFailure as failure:
            message = str(failure)
            query = ctx.variables.get(self.query) if self.query else ""
            if contains_secret(
                message, [secret for secret in ctx.secrets if isinstance(query, str) and secret in query]
            ):
                message = f"{failure.kind or 'The search failed'}: {SECRET_MESSAGE}"
            raise NodeFailure(message, kind=failure.kind, inputs=inputs) from None
        except NodeFailure as failure:
            failure.inputs = inputs
            raise

    async def _run(self, ctx: Context, inputs: dict[str, Json], usages: list[ModelUsage]) -> Result:
        query = self._query(ctx, inputs)
        if self.attachments:
            files = ctx.recorded.get(self.attachments)
            if files is UNSET:
                raise NodeFailure(
                    f"The attachments {'.'.join(self.attachments)} do not exist.", kind="VariableNotFoundError"
                )
            inputs["attachments"] = files if isinstance(files, list) else [files]
        hits = await self._hits(ctx, query, usages) if query else []
        ctx.ports.knowledge.count_hits(hits)
        usage = total_usage(usages)
        return Result(
            inputs=inputs,
            outputs={"result": found_texts(hits)},
            process_data={"usage": usage.as_json()},
            usage=usage.as_usage(),
        )

    def _query(self, ctx: Context, inputs: dict[str, Json]) -> str:
        if not self.query:
            return ""
        query = ctx.variables.get(self.query)
        if self.of_app and (query is UNSET or query is None):
            return ""
        if not isinstance(query, str):
            raise NodeFailure("Query variable is not string type.", kind="")
        inputs["query"] = ctx.recorded.get(self.query)
        return query

    async def _hits(self, ctx: Context, query: str, usages: list[ModelUsage]) -> Sequence[Hit]:
        knowledge = ctx.ports.knowledge
        if missing := self.missing_setting:
            raise NodeFailure(f"{missing} is required", kind="ValueError")
        datasets = await knowledge.usable(self.dataset_ids)
        if not datasets:
            return []
        conditions = await self._conditions(ctx, datasets, query, usages)
        if self.single:
            chosen = await self._chosen(ctx, datasets, query, usages)
            if chosen is None:
                return []
            datasets = [chosen]
        request = SearchRequest(
            query=query,
            dataset_ids=tuple(each.id for each in datasets),
            conditions=conditions,
            ranking=None if self.single else self.ranking,
            app_id=ctx.run.app_id,
            run_id=ctx.run.run_id,
        )
        return (await knowledge.search(request)).hits

    async def _chosen(
        self, ctx: Context, datasets: Sequence[SearchedDataset], query: str, usages: list[ModelUsage]
    ) -> SearchedDataset | None:
        assert self.chooser is not None
        if len(datasets) == 1:
            return datasets[0]
        if self.of_app and abilities(ctx, self.chooser).tools:
            called = await called_dataset(ctx, self.chooser, datasets, query)
            return next((each for each in datasets if each.id == called), None)
        chosen, usage = await chosen_dataset(ctx, self.chooser, datasets, query)
        usages.append(usage)
        return next((each for each in datasets if each.id == chosen), None)

    async def _conditions(
        self, ctx: Context, datasets: Sequence[SearchedDataset], query: str, usages: list[ModelUsage]
    ) -> MetadataFilter | None:
        filtering = self.filtering
        if filtering.mode == "manual":
            return filtering.resolved(ctx.variables)
        if filtering.mode != "automatic":
            return None
        if self.filter_model is None:
            raise NodeFailure("metadata_model_config is required", kind="ValueError")
        fields = await ctx.ports.knowledge.field_names([each.id for each in datasets])
        if not fields:
            return None
        try:
            found, usage = await implied_conditions(ctx, self.filter_model, fields, query)
        except NodeFailure:
            # As in Dify: without the model there is no filter.
            return None
        usages.append(usage)
        return MetadataFilter(tuple(found), filtering.any_of_them or not filtering.has_operator) if found else None


def _model(data: Fields, name: str) -> ModelConfig | None:
    if not isinstance(data.raw.get(name), dict):
        return None
    given = data.mapping(name)
    return ModelConfig.from_dsl(Fields(data.where, {"model": given.raw}, data.problems))


def _ranking(data: Fields) -> tuple[MergedRanking | None, bool]:
    """Return the ranking over several datasets, and whether required weights are missing."""
    if not isinstance(data.raw.get("multiple_retrieval_config"), dict):
        return None, False
    given = data.mapping("multiple_retrieval_config")
    enabled = given.boolean("reranking_enable", True)
    mode = given.text("reranking_mode") or "reranking_model"
    named = given.mapping("reranking_model")
    weights = given.mapping("weights")
    vector = _number(weights.mapping("vector_setting").raw.get("vector_weight"))
    keyword = _number(weights.mapping("keyword_setting").raw.get("keyword_weight"))
    ranking = MergedRanking(
        top_k=given.integer("top_k", 4),
        threshold=_number(given.raw.get("score_threshold")),
        enabled=enabled,
        mode=mode,
        provider=named.text("provider"),
        model=named.text("model"),
        vector_weight=vector,
        keyword_weight=keyword,
    )
    return ranking, enabled and mode == "weighted_score" and (vector is None or keyword is None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# What several calls of models used, as one.


def total_usage(usages: Sequence[ModelUsage]) -> ModelUsage:
    """Return the sum; unit prices and currency are those of the last."""
    total = ModelUsage()
    for usage in usages:
        total = replace(
            usage,
            prompt_tokens=total.prompt_tokens + usage.prompt_tokens,
            completion_tokens=total.completion_tokens + usage.completion_tokens,
            total_tokens=total.total_tokens + usage.total_tokens,
            prompt_price=total.prompt_price + usage.prompt_price,
            completion_price=total.completion_price + usage.completion_price,
            latency=round(total.latency + usage.latency, 3),
            time_to_first_token=None,
            time_to_generate=None,
        )
    return total


# What was found, as the node hands it on. Source: docs/dify-behaviour.md, “Knowledge retrieval”.


def found_texts(hits: Sequence[Hit]) -> list[Json]:
    """Return a node's ``result``: objects with ``content``, ``title`` and ``metadata``, best first."""
    return [_found(hit, position) for position, hit in enumerate(hits, 1)]


def _found(hit: Hit, position: int) -> Json:
    metadata: Json = hit.metadata
    if hit.data_source_type == "external":
        metadata = {
            **(metadata or {}),
            "score": hit.score,
            "title": hit.document_name,
            "dataset_id": hit.dataset_id,
            "dataset_name": hit.dataset_name,
        }
    content = hit.content if hit.answer is None else f"question:{hit.content} \nanswer:{hit.answer}"
    return {
        "metadata": {
            "_source": "knowledge",
            "dataset_id": hit.dataset_id,
            "dataset_name": hit.dataset_name,
            "document_id": hit.document_id,
            "document_name": hit.document_name,
            "data_source_type": hit.data_source_type,
            "segment_id": hit.segment_id,
            "retriever_from": "workflow",
            "score": hit.score,
            "child_chunks": [
                {"id": child.id, "content": child.content, "position": child.position, "score": child.score}
                for child in hit.children
            ],
            "segment_hit_count": hit.hits,
            "segment_word_count": hit.words,
            "segment_position": hit.position or 0,
            "segment_index_node_hash": hit.hash,
            "doc_metadata": metadata,
            "position": position,
        },
        "title": hit.document_name,
        "files": None,
        "content": content,
        "summary": None,
    }
