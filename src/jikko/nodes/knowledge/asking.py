"""Model requests of knowledge retrieval: choice of a dataset, and metadata conditions. The prompts are Jikko's own."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.nodes.contract import Context
from jikko.nodes.model.model_call import ModelConfig, call
from jikko.nodes.model.reasoning import without_reasoning
from jikko.nodes.model.structured_output import fenced_object
from jikko.ports.knowledge import SearchedDataset
from jikko.ports.models import FunctionTool, ModelUsage, PromptMessage
from jikko.values import Json

_OPERATORS: Final = (
    *("contains", "not contains", "start with", "end with", "is", "is not", "empty", "not empty"),
    *("=", "≠", ">", "<", "≥", "≤", "before", "after"),
)
_CHOOSE: Final = """Choose the source in which the answer to the question of the user is most likely to be found.

The sources:
{sources}

Answer with one JSON object and nothing else: {{"action": "<id of the source>", "action_input": "<the question>"}}. \
If none of them can help, answer {{"action": "none", "action_input": ""}}."""
_FILTER: Final = """The documents that are to be searched have metadata. Say which conditions on it the text of the \
user implies, if any.

The fields: {fields}
The operators: {operators}

Answer with one JSON object and nothing else: {{"metadata_map": [{{"metadata_field_name": "<field>", \
"metadata_field_value": "<value>", "comparison_operator": "<operator>"}}]}}. Take only values that the text names, and \
only these fields; with none, answer {{"metadata_map": []}}."""


class ModelReply(NamedTuple):
    answer: dict[str, Json] | None
    usage: ModelUsage


async def chosen_dataset(
    ctx: Context, model: ModelConfig, datasets: Sequence[SearchedDataset], query: str
) -> tuple[str | None, ModelUsage]:
    """Return the dataset that a model chooses, if any. Raises ``NodeFailure`` if the model fails."""
    sources = "\n".join(f"- {each.id}: {_about(each)}" for each in datasets)
    asked = await _ask(ctx, model, _CHOOSE.format(sources=sources), query)
    action = None if asked.answer is None else asked.answer.get("action")
    return (action if any(action == each.id for each in datasets) else None), asked.usage


async def called_dataset(
    ctx: Context, model: ModelConfig, datasets: Sequence[SearchedDataset], query: str
) -> str | None:
    """Return the dataset that a model chooses by a function call. Raises ``NodeFailure``: the model fails."""
    nothing: dict[str, Json] = {"type": "object", "properties": {}, "required": []}
    tools = tuple(FunctionTool(each.id, _about(each), nothing) for each in datasets)
    asked = (PromptMessage("user", (query,)),)
    completion = await call(ctx, model.request(ctx, asked, tools=tools, tool_choice="auto"))
    known = {each.id for each in datasets}
    return next((each.name for each in completion.tool_calls if each.name in known), None)


async def implied_conditions(
    ctx: Context, model: ModelConfig, fields: Sequence[str], query: str
) -> tuple[list[dict[str, Json]], ModelUsage]:
    """Return the metadata conditions implied by a query. Raises ``NodeFailure`` if the model fails."""
    prompt = _FILTER.format(fields=", ".join(fields), operators=", ".join(_OPERATORS))
    asked = await _ask(ctx, model, prompt, query)
    listed = None if asked.answer is None else asked.answer.get("metadata_map")
    found = []
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("metadata_field_name") not in fields:
            continue
        found.append(
            {
                "name": each["metadata_field_name"],
                "comparison_operator": each.get("comparison_operator"),
                "value": each.get("metadata_field_value"),
            }
        )
    return found, asked.usage


def _about(dataset: SearchedDataset) -> str:
    return dataset.description or f"useful for when you want to answer queries about the {dataset.name}"


async def _ask(ctx: Context, model: ModelConfig, instructions: str, query: str) -> ModelReply:
    mode = model.checked_mode()
    system, user = PromptMessage("system", (instructions,)), PromptMessage("user", (query,))
    whole = PromptMessage("user", (f"{instructions}\n\n{query}",))
    messages = (system, user) if mode == "chat" else (whole,)
    completion = await call(ctx, model.request(ctx, messages, mode=mode))
    return ModelReply(fenced_object(without_reasoning(completion.text)), completion.usage)
