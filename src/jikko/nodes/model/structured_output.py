"""Structured output: answers with an object for a JSON schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

from msgspec import Struct

from jikko.concurrency.json_in_pieces import MAX_ELEMENTS, decode_json
from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.lang.json_examples import TooLong, repaired
from jikko.nodes.contract import NodeFailure
from jikko.nodes.model.reasoning import without_reasoning
from jikko.ports.models import PromptMessage
from jikko.values import Json, is_too_deep

_FENCE: Final = "```"
_MAX_STARTS: Final = 1000
"""Maximum number of opening braces to try."""
_MAX_READ: Final = 1_000_000
"""Maximum characters parsed in vain, summed over the braces tried."""

_decoder: Final = json.JSONDecoder()


def first_object(text: str) -> dict[str, Json] | None:
    """Return the first JSON object in a text, or ``None``. Broken and too deeply nested ones are skipped.

    Texts with more than ``MAX_ELEMENTS`` commas and opening brackets have none.
    """
    if sum(map(text.count, ",[{")) > MAX_ELEMENTS:
        return None
    start = text.find("{")
    read = 0
    for _ in range(_MAX_STARTS):
        if start < 0 or read > _MAX_READ:
            return None
        try:
            value, _end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            read += (error.pos if isinstance(error, json.JSONDecodeError) else len(text)) - start
            start = text.find("{", start + 1)
        else:
            return value if isinstance(value, dict) and not is_too_deep(value) else None
    return None


def fenced_object(text: str) -> dict[str, Json] | None:
    """Return the JSON object of a text, perhaps in a Markdown fence with words around it."""
    for block in _fenced(text):
        found = first_object(block)
        if found is not None:
            return found
    return first_object(text)


def _fenced(text: str) -> Iterator[str]:
    """Yield the content between fences. The language name, which has no brace, may precede it."""
    start = text.find(_FENCE)
    while start >= 0:
        end = text.find(_FENCE, start + len(_FENCE))
        if end < 0:
            return
        yield text[start + len(_FENCE) : end]
        start = text.find(_FENCE, end + len(_FENCE))


_INSTRUCTIONS: Final = """\
Answer with one JSON object that fits this JSON schema, and with nothing else: no explanation, no Markdown.

{schema}"""


class StructuredOutput(Struct, frozen=True):
    schema: Mapping[str, Json]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self | None:
        """Return ``None`` if structured output is disabled."""
        if not data.boolean("structured_output_enabled"):
            return None
        fields = data.mapping("structured_output")
        schema = fields.get("schema")
        if isinstance(schema, str):
            try:
                schema = json.loads(schema)
            except (ValueError, RecursionError):
                fields.problem("schema", Phrase("document.no_json"), Phrase("remedy.json_schema"))
                return None
        if not schema:
            return None
        if not isinstance(schema, dict):
            fields.problem("schema", Phrase("document.no_mapping"), Phrase("remedy.json_schema"))
            return None
        return cls(schema)

    @property
    def for_model(self) -> dict[str, Json]:
        """Return the schema for models with native support: booleans as strings. Source:
        docs/dify-behaviour.md, “LLM”."""
        converted = _booleans_as_text(self.schema)
        return converted if isinstance(converted, dict) else {}

    def instructed(self, messages: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
        """Return the prompt for models without native support: the schema precedes the system message."""
        instructions = _INSTRUCTIONS.format(schema=json.dumps(self.schema, ensure_ascii=False))
        if messages and messages[0].role == "system":
            return (PromptMessage("system", (instructions + "\n\n", *messages[0].parts)), *messages[1:])
        return (PromptMessage("system", (instructions,)), *messages)

    async def value_of(self, text: str) -> dict[str, Json]:
        """Parse an answer. Raises ``NodeFailure`` if it is not an object; as in Dify, the schema is not checked."""
        parsed = await _parsed(without_reasoning(text).strip())
        if isinstance(parsed, list):
            # Source: docs/dify-behaviour.md, “LLM”.
            first = next((item for item in parsed if isinstance(item, dict)), None)
            if first is None:
                return {}
            parsed = first
        if not isinstance(parsed, dict) or is_too_deep(parsed):
            raise NodeFailure(f"The model's answer is not a JSON object: {text[:200]!r}", kind="LLMNodeError")
        value: dict[str, Json] = _with_booleans(parsed, self.schema)
        return value


async def _parsed(text: str) -> Json:
    try:
        return await decode_json(text, json.loads)
    except (ValueError, RecursionError):
        pass
    try:
        return await repaired(text, _repair)
    except TooLong:
        # A complete object can still be found.
        return fenced_object(text)
    except (ValueError, RecursionError):
        return None


def _repair(text: str) -> Json:
    import json_repair

    return json_repair.loads(text)


def _booleans_as_text(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_booleans_as_text(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    converted = {key: _booleans_as_text(value) for key, value in schema.items()}
    if schema.get("type") == "boolean":
        converted |= {"type": "string", "enum": ["true", "false"]}
    return converted


def _with_booleans(value: Any, schema: Any) -> Any:
    """Convert strings to booleans where the schema requires them."""
    if not isinstance(schema, Mapping):
        return value
    if schema.get("type") == "boolean" and isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    if isinstance(value, dict):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            return {key: _with_booleans(item, properties.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_booleans(item, schema.get("items")) for item in value]
    return value
