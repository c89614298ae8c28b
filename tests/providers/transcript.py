"""Known providers, problems of providers files, requests as model servers receive them, and what is made of answers.

Usage: python -m tests.providers.transcript rewrites ``transcript.txt``; read the difference before committing it.
"""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from jikko.errors import InvalidSettings
from jikko.ports.models import FunctionCall, Media, ModelFailure, ModelRequest, PromptMessage
from jikko.ports.other_models import EmbeddingRequest, ModerationRequest, Recording, RerankRequest, Script
from jikko.providers.backends import BACKENDS
from jikko.providers.config import WELL_KNOWN, Providers, abilities, short_name
from jikko.providers.embedder import ProviderEmbedder
from jikko.providers.other_models import ProviderModerators, ProviderRerankers, ProviderSpeech
from jikko.providers.provider_connections import ProviderBackends
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.calling import SCHEMA, TOOL
from tests.providers.fake_model import Exchange, FakeModel, refusal

KEPT: Final = Path(__file__).with_suffix(".txt")
_KEYS: Final = {"OPENAI_API_KEY": "k", "AZURE_OPENAI_BASE_URL": "https://a.test"}
_MODELS: Final = ("gpt-4o-mini", "ft/gpt-5", "gpt-3.5-turbo", "o1", "other")


_TIMES: Final = ("latency", "time_to_", "prompt_price_unit", "completion_price_unit")


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, sort_keys=isinstance(value, dict) and "messages" in value)


def _set(config: Any) -> dict[str, Any]:
    """Return the fields that are not as usual."""
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    found = {name: getattr(config, name) for name in usual if getattr(config, name) not in (usual[name], {}, None)}
    return {name: _set(value) if dataclasses.is_dataclass(value) else value for name, value in found.items()}


async def _known() -> AsyncIterator[str]:
    for id_ in WELL_KNOWN:
        line = Providers.line_to_add(id_)
        parsed = parse_providers(f"providers:\n{line}", dict.fromkeys(re.findall(r"\w+(?=})", line), "https://x.test"))
        config = parsed.entries[id_]
        able = {model: abilities(config, id_, model) for model in _MODELS}
        yield f"{short_name(id_)} {config.type} {config.base_url} {WELL_KNOWN[id_].prices}{line}"
        yield f"  schema: {' '.join(model for model in _MODELS if able[model].structured_output)}"
        yield f"  images: {' '.join(model for model in _MODELS if able[model].media)}"
        if parsed.defaults:
            yield f"  {_told({purpose: str(name.model) for purpose, name in parsed.defaults.items()})}"
    for odd in ("未知/x", 'a"\n', "langgenius/new-one/new_one"):
        yield Providers.line_to_add(odd)


_WHOLE: Final = """
providers:
  openai:
    api_key: k
    base_url: https://a.test/v1
    headers: {X-A: 値, X-B: 5}
    tools: false
    vision: false
    audio: true
    context_size: 1
    price: {prompt: 0.5, completion: "1.25", currency: JPY}
    max_concurrent: 5
    requests_per_minute: 7
    timeout: 1.5
    connect_timeout: 2
    max_answer: 1
    organization: org
    models:
      a: other-name
      b: {name: n, mode: completion, tools: true, structured_output: true, video: true, documents: true, price: {}}
      c: {batch: 2048, dimensions: 3, query_prefix: "q: ", document_prefix: "d: ", voice: echo, context_size: 9}
  local: {type: llama_cpp, path: model.gguf, context: 0, parallel: 2, pooling: cls}
  azure_openai: {base_url: https://a.test, api_version: v, api_key: k}
  vertex_ai: {project: p, region: r}
  mine: {plugin: author/name, credentials: {key: "${KEY}"}}
  cohere-rank: {type: cohere, api_key: k}
  "*": {base_url: "${NONE}", api_key: "${KEY}${NONE}"}
defaults: {llm: {provider: openai, model: a}}
extensions: {check: {url: https://e.test, api_key: "${KEY}"}}
"""
_BROKEN: Final = (
    "",
    "providers: {a: {type: openai}}",
    "providers: {openai: {models: {a: {mode: talk, name: 5, batch: -1, dimensions: -1, context_size: 0, x: 1}}}}",
    "providers: {openai: {models: {a: {batch: 2049, context_size: true}, b: 5}, context_size: many, max_answer: 0}}",
    "providers: {openai: {price: {prompt: x, completion: .inf}, max_concurrent: -1, requests_per_minute: -1}}",
    "providers: {openai: {timeout: 0, connect_timeout: x, tools: maybe, headers: [], vision: 5, batch: 5}}",
    "providers: {l: {type: llama_cpp, path: ~no-such-user/x, pooling: sum}, m: {type: llama_cpp}}",
    "providers: {p: {plugin: a/b/c/d, headers: {a: b}, base_url: x}, q: {type: plugin}, r: {type: plugin, plugin: a}}",
    "providers: {azure_openai: {}, openai: {base_url: 'ftp://a'}, gpt: {base_url: 'https://a:b@c'}}",
    "providers: {openai: {}, langgenius/openai/openai: {}}\nextensions: {a: {}, b: {url: x, key: y}}",
    "providers: {}\ndefaults: {llm: {}, rerank: {provider: a, model: b, x: c}, llms: {}}",
)


async def _files() -> AsyncIterator[str]:
    parsed = parse_providers(_WHOLE, {"KEY": "鍵"}, folder=Path("/etc/jikko"))
    for config in parsed.entries.values():
        yield f"{config.id} {_told(_set(dataclasses.replace(config, models={})))}"
        for name, traits in config.models.items():
            yield f"  {name} {_told(_set(traits))}"
    yield f"{_told(parsed.defaults)} {_told(msgspec.to_builtins(parsed.extensions))}"
    for workers in (1, 2, 6):
        shared = parsed.for_worker(workers).entries["langgenius/openai/openai"]
        yield f"{workers} workers: {shared.max_concurrent} at once, {shared.requests_per_minute} a minute"
    for limits in ((), (5,), (5, 3), (5, 0)):
        entries = {f"p{n}": {"base_url": "http://a", "max_concurrent": limit} for n, limit in enumerate(limits)}
        limited = parse_providers(json.dumps({"providers": entries}), {})
        yield f"limits {limits}: under way {ProviderBackends(limited, BACKENDS).under_way()}"
    for text in _BROKEN:
        yield f"$ {text!r}"
        try:
            parse_providers(text, {}, source="providers.yml")
        except InvalidSettings as error:
            for line in str(error).splitlines():
                yield f"! {line}"


_CALLS: Final = (FunctionCall("c1", "extract", '{"n": 1}'), FunctionCall("c2", "extract", "[oops"))
_IMAGE: Final = Media("image", "image/png", data=b"hi")
_FILES: Final = (
    Media("image", "image/png", url="https://a.test/猫.png", detail="low"),
    _IMAGE,
    Media("document", "application/pdf", data=b"hi", filename="紙.pdf"),
)
_SOUNDS: Final = (
    Media("video", "video/mp4", url="https://a.test/v"),
    Media("video", "video/mp4", data=b"hi"),
    Media("audio", "audio/mpeg", data=b"hi"),
    Media("audio", "audio/x-wav", url="https://a.test/a"),
    Media("document", "application/pdf", url="https://a.test/d", filename="d.pdf"),
)
_ASK: Final = (PromptMessage("user", ("何？",)),)
_LONG: Final = (
    PromptMessage("system", ("Be kind.",)),
    PromptMessage("system", ("絵", _IMAGE)),
    PromptMessage("user", ("見て", *_FILES)),
    PromptMessage("assistant", ("呼ぶ",), tool_calls=_CALLS),
    PromptMessage("tool", ("一", _IMAGE), tool_call_id="c1"),
    PromptMessage("tool", ("二",), tool_call_id="c2"),
    PromptMessage("assistant", ("",)),
    PromptMessage("user", ("", "続き")),
)
_PARAMETERS: Final[Mapping[str, Any]] = {
    **{"temperature": 0.5, "max_tokens": 9, "stop": "x", "top_p": None, "seed": 3, "odd": {"a": [1]}, "model": "evil"},
    **{"messages": [], "stream": False, "tools": [], "json_schema": "{}", "stream_options": 1, "tool_choice": "none"},
}
_FORMATS: Final = ("json_object", "JSON", "text", "", "json_schema", "xml", {"type": "own"})
_REQUESTS: Final[Sequence[dict[str, Any]]] = (
    {"messages": _ASK},
    {"messages": _ASK, "stream": False},
    {"messages": _LONG, "tools": (TOOL,), "parameters": _PARAMETERS},
    {"messages": _ASK, "tools": (TOOL,), "tool_choice": "auto", "schema": SCHEMA, "model": "named"},
    {"messages": (PromptMessage("system", ("alone",)),), "parameters": {"stop": [], "max_completion_tokens": 5}},
    {"messages": (PromptMessage("user", _SOUNDS),)},
    {"messages": (PromptMessage("tool", ("絵", _IMAGE), tool_call_id="c"),)},
    *({"messages": _ASK, "parameters": {"response_format": each, "stop": ""}} for each in _FORMATS),
    {"messages": _ASK, "parameters": {"response_format": "json_schema", "json_schema": '{"name": "n"}'}},
    {"messages": _ASK, "parameters": {"response_format": "json_schema", "json_schema": {"name": "m"}}},
    {"messages": _ASK, "parameters": {"response_format": "json_schema", "json_schema": "{"}},
    {"messages": _ASK, "parameters": {"temperature": float("nan")}},
    {"messages": _ASK, "parameters": {"odd": [float("inf")]}},
    {"messages": (PromptMessage("user", ("一",)), PromptMessage("user", ("二",))), "mode": "completion"},
    {"messages": _ASK, "mode": "completion", "stream": False, "model": "spoken"},
)
_OPENAI_EVENTS: Final = (
    {"choices": [{"delta": {"content": "はい"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
)


def _choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def _calling(index: Any = 0, id: Any = None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    call = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return _choice(tool_calls=[call])


_STOP: Final = _choice("stop")
_ANSWERS: Final[Mapping[str, Sequence[Any]]] = {
    "usual": _OPENAI_EVENTS,
    "reasoning": (_choice(reasoning_content="考"), _choice(reasoning="える"), _choice(reasoning=[1]), _STOP),
    "refusal": (_choice(refusal="いや"), _choice(content="text", refusal="no"), _STOP),
    "parts": (
        _choice(
            content=[
                *({"type": "text", "text": "a"}, {"thinking": "b"}, {"thinking": [{"text": "c"}]}, 5, {"text": 1}),
                {"image_url": {"url": "data:image/webp;base64,aGk="}},
                {"image_url": "data:;base64,aGk="},
                *({"image_url": each} for each in ("https://a.test/i", "", "data:x", "data:a;base64,!", {"url": 5})),
            ]
        ),
        _choice(images=[{"image_url": {"url": "https://a.test/j"}}, 5]),
        _STOP,
    ),
    "calls": (
        _calling(0, "c1", "one", '{"a"'),
        _calling(0, None, None, ": 1}"),
        _calling("1", 7, "two", {"b": "日"}),
        _calling("x", "c3", "three", None),
        _calling(0, "c4", "four", "{}"),
        _calling(0, "c4", "four", " "),
        _calling(9, "c5", None, "{}"),
        _choice("tool_calls"),
    ),
    "legacy": ({"choices": [{"text": "古い", "finish_reason": "length"}]},),
    "odd counts": (_STOP, {"usage": {"prompt_tokens": -1.5, "completion_tokens": 1e300, "total_tokens": None}}),
    "half counts": (_STOP, {"usage": {"prompt_tokens": 3}}, {"usage": {"completion_tokens": 4.0}}),
    "no counts": (_choice(content="four words are here"), _STOP),
    "nothing": (_STOP,),
    "cut": (_choice(content="half"),),
    "no JSON": ("{",),
    **{
        f"error {_told(error)}": ({"error": error},)
        for error in (
            "why",
            {"message": "m", "type": "rate_limit_error"},
            *({"message": "m", "code": each} for each in (429, 500, 502, 503, 401, 403, 400)),
            *({"status": each} for each in ("RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "PERMISSION_DENIED")),
            *({"type": each} for each in ("server_error", "overloaded_error", "authentication_error", "other")),
        )
    },
}


def _anthropic_events(*deltas: Mapping[str, Any], reason: str = "end_turn") -> list[dict[str, Any]]:
    usage = {"input_tokens": 3, "output_tokens": 0, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": usage}
    starts = {"type": "tool_use", "id": "t1", "name": "extract", "input": {}}
    return [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        {"type": "content_block_start", "index": 1, "content_block": starts},
        *({"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas),
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]


_DELTAS: Final = (
    {"type": "thinking_delta", "thinking": "考"},
    {"type": "text_delta", "text": "はい"},
    {"type": "input_json_delta", "partial_json": '{"n": 1}'},
)


def _events(events: Sequence[Any], *, named: bool = False) -> Any:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            head = f"event: {event['type']}\n" if named else ""
            await exchange.raw(f"{head}data: {data}\n\n".encode())
        await exchange.send(b"0\r\n\r\n")

    return answer


async def _completed(models: ProviderModels, **asked: Any) -> AsyncIterator[str]:
    try:
        completion = await models.complete(ModelRequest(**asked))
    except ModelFailure as failure:
        counted = "" if failure.usage is None else f" ({failure.usage.total_tokens} tokens)"
        yield f"! {failure.kind}: {failure}{counted}"
        return
    for name in ("text", "reasoning", "finish_reason", "tool_calls", "media"):
        if value := getattr(completion, name):
            yield f"  {name} {_told(msgspec.to_builtins(value))}"
    usage = completion.usage.as_json()
    yield f"  usage {_told({name: each for name, each in usage.items() if not name.startswith(_TIMES)})}"


def _received(fake: FakeModel, *headers: str) -> list[str]:
    lines = []
    for exchange in fake.exchanges:
        lines.append(f"  > {exchange.path}")
        lines += [f"  > {name}: {exchange.headers[name]}" for name in headers if name in exchange.headers]
        is_json = exchange.headers.get("content-type") == "application/json"
        body = _told(exchange.body) if is_json else exchange.content.decode()
        lines += [f"  > | {line}" for line in body.splitlines()]
    fake.exchanges.clear()
    return lines


def _models(fake: FakeModel, type_: str, **more: Any) -> ProviderModels:
    url = fake.url if type_ != "anthropic" else fake.url.removesuffix("/v1")
    models = {"named": "name-there", "spoken": {"mode": "chat"}, "priced": {"price": {"prompt": 2, "completion": 3}}}
    entry = {"type": type_, "base_url": url, "api_key": "sk-ant-key", "headers": {"X-A": "b"}, "models": models, **more}
    return ProviderModels(parse_providers(yaml.safe_dump({"providers": {"p": entry}}), {}), BACKENDS)


async def _requests() -> AsyncIterator[str]:
    shown = ("authorization", "api-key", "x-api-key", "x-a", "content-type", "openai-organization")
    usual, anthropic = _events(_OPENAI_EVENTS), _events(_anthropic_events(*_DELTAS), named=True)
    for type_, answer in (("openai", usual), ("anthropic", anthropic)):
        async with FakeModel(answer) as fake:
            models = _models(fake, type_)
            for number, asked in enumerate(_REQUESTS):
                if type_ == "anthropic" and (number > 6 or not asked.get("stream", True)):
                    continue
                yield f"$ {type_} {number}"
                async for line in _completed(models, **{"provider": "p", "model": "m", **asked}):
                    if number == 0 or line[0] == "!":
                        yield line
                # How keys are sent is the matter of Anthropic's library.
                for line in _received(fake, *shown[-3 if type_ == "anthropic" else 0 :] if number == 0 else ()):
                    yield line
            await models.close()
    async with FakeModel(usual) as fake:
        models = _models(fake, "azure", api_version="2024-10-21", organization="org")
        async for line in _completed(models, provider="p", model="named", messages=_ASK):
            yield line
        for line in _received(fake, *shown):
            yield line
        await models.close()


async def _answers() -> AsyncIterator[str]:
    async with FakeModel(_events(())) as fake:
        models = _models(fake, "openai")
        for name, events in _ANSWERS.items():
            fake.answer = _events(events)
            yield f"$ {name}"
            async for line in _completed(models, provider="p", model="priced", messages=_ASK):
                yield re.sub(r"call_[0-9a-f]{24}", "CALL", line)
        for status in (400, 401, 403, 404, 408, 409, 422, 429, 499, 500, 503, 529):
            fake.answer = refusal(status, "m")
            async for line in _completed(models, provider="p", model="m", messages=_ASK):
                yield line
        await models.close()
        models = _models(fake, "anthropic")
        for reason in ("end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal"):
            fake.answer = _events(_anthropic_events(*_DELTAS, reason=reason), named=True)
            async for line in _completed(models, provider="p", model="m", messages=_ASK):
                yield line
        await models.close()


async def _others() -> AsyncIterator[str]:
    """Embeddings, ranking, speech and moderation."""
    answers: dict[str, Any] = {
        "/v1/embeddings": {"data": [{"index": 1, "embedding": [0, 3]}, {"index": 0, "embedding": [4, 0]}]},
        "/v1/rerank": {"results": [{"index": 1, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.9}]},
        "/v1/audio/transcriptions": {"text": "聞いた"},
        "/v1/moderations": {"results": [{"flagged": False}, {"flagged": True}]},
        "/v1/audio/speech": "mp3",
        "/v1/models": {"data": [{"id": "m1"}, {"id": "m2"}]},
    }

    async def answer(exchange: Exchange) -> None:
        await exchange.json(answers[exchange.path])

    async with FakeModel(answer) as fake:
        made = {"name": "vectors", "dimensions": 2, "query_prefix": "q: ", "document_prefix": "d: ", "batch": 2}
        models = _models(fake, "openai", models={"e": made, "s": {"name": "tts", "voice": "echo"}})
        asked = {"provider": "p", "model": "e"}
        for purpose in ("query", "document"):
            found = await ProviderEmbedder(models.connections).embed(
                EmbeddingRequest(texts=("猫", "犬"), purpose=purpose, **asked)
            )
            yield f"  {[list(vector) for vector in found.vectors]} {found.usage.total_tokens} tokens"
        ranked = await ProviderRerankers(models.connections).rerank(
            RerankRequest(query="猫", texts=("a", "b"), top_n=2, **asked)
        )
        yield f"  {ranked}"
        asked["model"] = "s"
        speech, pieces = ProviderSpeech(models.connections), list[bytes]()
        for voice in ("", "nova"):
            await speech.speak(Script(text="言う", voice=voice, **asked), pieces.append)
        yield f"  {pieces}"
        recording = Recording(data=b"sound", filename='声 "1".mp3', mime_type="audio/mpeg", **asked)
        yield f"  {await speech.transcribe(recording)}"
        for text in ("良い", " ", "長" * 8001):
            yield f"  {await ProviderModerators(models.connections).flags(ModerationRequest(text=text, **asked))}"
        yield f"  {await models.offered('p')}"
        for line in _received(fake, "content-type"):
            yield line
        await models.close()
        models = _models(fake, "anthropic")
        for attempt in (
            ProviderSpeech(models.connections).transcribe(recording),
            ProviderRerankers(models.connections).rerank(RerankRequest(query="", texts=("",), top_n=1, **asked)),
            ProviderModerators(models.connections).flags(ModerationRequest(text="a", **asked)),
            ProviderEmbedder(models.connections).embed(EmbeddingRequest(texts=("",), purpose="query", **asked)),
        ):
            try:
                await attempt
            except ModelFailure as failure:
                yield f"! {failure.kind}: {failure}"
        await models.close()


async def transcript() -> str:
    """Return all lines."""
    lines: list[str] = []
    for section in (_known, _files, _requests, _answers, _others):
        lines += ["", f"# {section.__name__.strip('_')}", *[line async for line in section()]]
    text = "\n".join([*lines, ""]).lstrip()
    text = re.sub(r"(.)\1{30,}", lambda found: f"{found[1]}*{len(found[0])}", text)
    return re.sub(r"127\.0\.0\.1:\d+", "SERVER", re.sub(r"\b[0-9a-f]{32}\b", "BOUNDARY", text))


if __name__ == "__main__":
    KEPT.write_text(asyncio.run(transcript()), "utf-8")
