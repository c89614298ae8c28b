"""Fake models, which answer without a provider: to try a workflow without keys, and for tests.

Answers depend on the request only, and state that no model made them.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jikko.lang.json_examples import json_example
from jikko.lang.tokens import estimated
from jikko.ports.models import Abilities, Chunk, Completion, FunctionCall, ModelRequest, ModelUsage, PromptMessage
from jikko.ports.other_models import Ranked, RerankRequest
from jikko.values import Json

_MARK: Final = "[fake answer"
_QUOTED_CHARACTERS: Final = 400
"""Characters of the prompt quoted in an answer."""
_TOKEN: Final = re.compile(r"\S+\s*|\s+")
_MAX_LEVELS: Final = 12
"""Maximum depth of generated objects: schemas may be recursive."""


class FakeModels:
    """``Models`` with every provider and model, without costs or state."""

    def abilities(self, provider: str, model: str) -> Abilities:
        return Abilities(structured_output=True, media=frozenset({"image", "audio", "video", "document"}))

    async def context_size(self, provider: str, model: str) -> int | None:
        return 128_000

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        """See ``Models.complete``. Calls the first tool, fills in the schema, or answers the question.

        A tool is called once: its answer gets a text.

        Models in mode ``completion``, and those given their schema in words, are answered with JSON, too, where the
        prompt asks for it, as parameter extractors and classifiers do. If the prompt has an example of JSON, that is
        the answer.
        """
        began = time.perf_counter()
        text = ""
        calls: tuple[FunctionCall, ...] = ()
        answered = bool(request.messages) and request.messages[-1].role == "tool"
        if request.tools and (request.tool_choice == "required" or (request.tool_choice == "auto" and not answered)):
            [tool, *_] = request.tools
            arguments = json.dumps(sample_of(tool.parameters, _last_text(request.messages)), ensure_ascii=False)
            calls = (FunctionCall("fake-call-1", tool.name, arguments),)
        elif request.schema is not None:
            text = json.dumps(sample_of(request.schema, _last_text(request.messages)), ensure_ascii=False)
        else:
            prompt_text = "\n".join(message.text for message in request.messages if message.role != "assistant")
            text = _requested_json(request.messages) or json_example(prompt_text, repair=True) or _words(request)
        first: float | None = None
        if emit is not None and request.stream:
            for piece in _TOKEN.findall(text):
                if first is None:
                    first = time.perf_counter()
                emit(Chunk(piece, ""))
                # Real answers take turns of the event loop, too.
                await asyncio.sleep(0)
        now = time.perf_counter()
        prompt = sum(estimated(message.text) for message in request.messages)
        completion = estimated(text) + sum(estimated(call.arguments) for call in calls)
        return Completion(
            text=text,
            tool_calls=calls,
            finish_reason="tool_calls" if calls else "stop",
            is_fake=True,
            usage=ModelUsage(
                prompt_tokens=prompt,
                completion_tokens=completion,
                total_tokens=prompt + completion,
                latency=round(now - began, 3),
                time_to_first_token=None if first is None else round(first - began, 3),
                time_to_generate=None if first is None else round(now - first, 3),
            ),
        )

    async def close(self) -> None:
        """See ``Models.close``."""


def sample_of(schema: Any, about: str = "") -> Json:
    """Return a value that fits a JSON schema, deterministically.

    Args:
        about: Text to find the value in; of an enumeration, the first word in it is chosen.
    """
    root: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    return _sample(root, root, about.casefold(), "value", 0)


def _sample(schema: Any, root: Mapping[str, Any], about: str, name: str, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > _MAX_LEVELS:
        return None
    if (target := _target(schema, root)) is not None:
        return _sample(target, root, about, name, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(choices := schema.get("enum"), list) and choices:
        named = (choice for choice in choices if isinstance(choice, str) and choice and choice.casefold() in about)
        return next(named, choices[0])
    for several in ("anyOf", "oneOf", "allOf"):
        if isinstance(parts := schema.get(several), list) and parts:
            if several == "allOf":
                return _sample(_merged(schema, parts), root, about, name, depth + 1)
            return _sample(parts[0], root, about, name, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    match kind:
        case "object":
            properties = schema.get("properties")
            entries = properties.items() if isinstance(properties, Mapping) else ()
            made = {str(key): _sample(entry, root, about, str(key), depth + 1) for key, entry in entries}
            return made
        case "array":
            few = max(1, _whole(schema.get("minItems")))
            return [_sample(schema.get("items", {}), root, about, name, depth + 1) for _ in range(min(few, 100))]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = f"fake {name}"
            least, most = _whole(schema.get("minLength")), _whole(schema.get("maxLength"))
            text = text.ljust(min(least, 10_000), ".")
            return text[:most] if most else text


def _target(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference[1:].strip("/").split("/"):
        if part:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _merged(schema: Mapping[str, Any], parts: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        if isinstance(part, Mapping):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            merged = {**merged, **part} | ({"properties": properties} if properties else {})
    return merged


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _number(schema: Mapping[str, Any]) -> Json:
    least, most = schema.get("minimum"), schema.get("maximum")
    number: float = 1
    if isinstance(least, (int, float)) and number < least:
        number = least
    if isinstance(most, (int, float)) and number > most:
        number = most
    return number


def _last_text(messages: tuple[PromptMessage, ...]) -> str:
    """Return the question: the text after the last label ``Text:``, or the last user message."""
    last = next((message.text for message in reversed(messages) if message.role == "user"), "")
    return last.rpartition("\nText: ")[2] if "\nText: " in last else last.removeprefix("Text: ")


def _words(request: ModelRequest) -> str:
    question = _last_text(request.messages).strip()
    quoted = question if len(question) <= _QUOTED_CHARACTERS else f"{question[:_QUOTED_CHARACTERS]} …"
    return f"{_MARK} of {request.provider.rpartition('/')[2]}/{request.model}] {quoted}".rstrip()


def _requested_json(messages: tuple[PromptMessage, ...]) -> str:
    """Return the answer to a prompt that describes JSON in words; empty if it does not."""
    text = "\n".join(message.text for message in messages)
    about = _last_text(messages)
    for categories in _json_values(text, "\nCategories: "):
        if isinstance(categories, list) and all(isinstance(entry, dict) for entry in categories) and categories:
            inside = (c for c in categories if str(c.get("category_name", "")).casefold() in about.casefold())
            chosen = next(inside, categories[0])
            return json.dumps({"keywords": [], **chosen}, ensure_ascii=False)
    for schema in _json_values(text, "JSON schema:\n", "JSON schema.\n"):
        if isinstance(schema, dict):
            return json.dumps(sample_of(schema, about), ensure_ascii=False)
    return ""


def _json_values(text: str, *labels: str) -> Iterator[Any]:
    """Yield the JSON after labels, last first: earlier ones are examples."""
    decoder = json.JSONDecoder()
    for label in labels:
        at = len(text)
        while (at := text.rfind(label, 0, at)) >= 0:
            start = at + len(label)
            try:
                yield decoder.raw_decode(text, start + len(text[start:]) - len(text[start:].lstrip()))[0]
            except (ValueError, RecursionError):
                continue


class FakeReranker:
    """Fake ``Reranker``: scores texts by their share of the query's words."""

    def is_ready(self, provider: str) -> bool:
        return True

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        words = set(request.query.lower().split())
        scored = (
            Ranked(place, len(words & set(text.lower().split())) / len(words) if words else 0.0)
            for place, text in enumerate(request.texts)
        )
        return sorted(scored, key=lambda each: (-each.score, each.place))[: request.top_n]
