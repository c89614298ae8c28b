"""What tools declare, send and say, line by line: requests as servers receive them, messages, usage, and failures.

Usage: python -m tests.tools.transcript rewrites ``transcript.txt``; read the difference before committing it.
"""

import asyncio
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from jikko.errors import InvalidSettings
from jikko.ports.app_calls import InnerApp, InnerCall, InnerInput, InnerOutcome, InnerRefused
from jikko.ports.knowledge import Hit, SearchedDataset, SearchFailure, SearchRequest, SearchResult
from jikko.ports.tools import BlobMessage, Tool, ToolCall, ToolFailure, ToolMessage, ToolName, ToolNotFound
from jikko.tools.builtin.webscraper import read_page
from jikko.tools.openapi.openapi_document import read_document
from jikko.tools.tools_file import parse_tools_file
from jikko.values import Json
from tests.nodes.context import file
from tests.outbound.server import RawServer, Received, answer, serving
from tests.tools.api_cases import ANSWERS, API_CALLS, AUTHS, DOCUMENT, DOCUMENTS
from tests.tools.scene import Scene, scene
from tests.tools.test_mcp_tools import mcp

KEPT: Final = Path(__file__).with_suffix(".txt")
_USUAL: Final = frozenset({"host", "user-agent", "accept-encoding", "content-length", "accept", "connection"})
"""Headers that are shown only for MCP servers."""


def _told(value: Any) -> str:
    return json.dumps(_shortened(value), ensure_ascii=False)


def _shortened(value: Any) -> Any:
    """Show of files only what is not usual."""
    if isinstance(value, Mapping):
        if "dify_model_identity" not in value:
            return {name: _shortened(each) for name, each in value.items()}
        usual = file(str(value["filename"]))
        return {"FILE": value["filename"], **{name: v for name, v in value.items() if usual.get(name, 0) != v}}
    if isinstance(value, str) and "dify_model_identity" in value:
        return _shortened(json.loads(value))
    return [_shortened(each) for each in value] if isinstance(value, list | tuple) else value


def _declared(tool: Tool) -> Iterator[str]:
    yield f"{tool.name.tool}: {tool.description}"
    for one in tool.parameters:
        about = [one.type, one.form, *(["required"] if one.required else []), *one.options]
        about += [f"default {_told(one.default)}"] if one.default is not None else []
        about += [f"schema {_told(one.schema)}"] if one.schema is not None else []
        yield f"  {one.name}: {' '.join(about)} {one.description}".rstrip()


async def _offered(tools: Scene, kind: str, provider: str) -> AsyncIterator[str]:
    try:
        found = await tools.tools.offered(ToolName(provider_type=kind, provider=provider, tool=""))
    except ToolNotFound as missing:
        yield f"! {missing}"
        return
    for tool in found:
        for line in _declared(tool):
            yield line


def _received(request: Received, shown: frozenset[str] = frozenset()) -> Iterator[str]:
    yield f"  > {request.method} {request.target}"
    for name, value in sorted(request.headers.items()):
        if name not in _USUAL or name in shown:
            yield f"  > {name}: {value}"
    yield from (f"  > | {line}" for line in request.body.decode("utf-8", "replace").splitlines())


def _message(message: ToolMessage) -> str:
    if isinstance(message, BlobMessage):
        return f"  Blob {message.mime_type} {message.filename} {message.content!r}"
    return f"  {type(message).__name__.removesuffix('Message')} {_told(msgspec.to_builtins(message))}"


async def _called(
    tools: Scene, server: RawServer | None, kind: str, provider: str, tool: str, values: Mapping[str, Any], **more: Any
) -> AsyncIterator[str]:
    """Call a tool, and yield what its server receives, the messages, and how the call ends."""
    yield f"$ {provider}/{tool} {_told(values)}"
    seen = 0 if server is None else len(server.requests)
    messages: list[ToolMessage] = []
    ended = ""
    try:
        found = await tools.find(kind, provider, tool)
        call = ToolCall(tool=found, parameters=values, user="太郎", end_user_id="u", key="k", **more)
        if usage := await tools.tools.call(call, messages.append):
            ended = f"  Usage {_told(msgspec.to_builtins(usage))}"
    except ToolNotFound as error:
        ended = f"! not found: {error}"
    except ToolFailure as error:
        ended = f"! {'the tool says' if error.reported else 'failed'}: {error}"
        ended += f" {_told(msgspec.to_builtins(error.usage))}" if error.usage else ""
    for request in server.requests[seen:] if server is not None else ():
        for line in _received(request):
            yield line
    for message in messages:
        yield _message(message)
    if ended:
        yield ended


async def _apis(folder: Path) -> AsyncIterator[str]:
    hello = answer(b"hello", Content_Type="text/plain")
    answers = defaultdict(lambda: hello, {f"/{n}": each for n, each in enumerate(ANSWERS.values())})
    answers["/missing"] = answer(b"", "404 No")
    async with serving(answers) as server:
        at = [{"url": server.url("")}]
        paths = {f"/{n}": {"get": {"operationId": name}} for n, name in enumerate(ANSWERS)}
        entries: dict[str, Any] = {
            "api": {"type": "api", "schema": json.dumps({**DOCUMENT, "servers": at})},
            "answers": {"type": "api", "schema": json.dumps({"servers": at, "paths": paths})},
        }
        entries |= {
            f"auth {n}": {"type": "api", "auth": auth, "schema": entries["api"]["schema"]}
            for n, auth in enumerate(AUTHS)
        }
        contents = {name: name.encode() for name in ("a.txt", "b 猫.png", "c")}
        async with scene(folder, entries, files=contents) as tools:
            async for line in _offered(tools, "api", "api"):
                yield line
            for name, values in API_CALLS:
                for value in values.values():
                    if isinstance(value, dict) and str(value.get("remote_url", "")).startswith("URL"):
                        value["remote_url"] = server.url("/missing")
                async for line in _called(tools, server, "api", "api", name, values):
                    yield line
            for name in ANSWERS:
                async for line in _called(tools, None, "api", "answers", name, {}):
                    yield line
            for n in range(len(AUTHS)):
                async for line in _called(tools, server, "api", f"auth {n}", "itemsid_delete", {}):
                    yield line


async def _documents(folder: Path) -> AsyncIterator[str]:
    many = json.dumps({"servers": [{"url": "http://a"}], "paths": {f"/{n}": {"get": {}} for n in range(2001)}})
    for text in (*DOCUMENTS, many, many.replace('"/2000": {"get": {}}', '"/2000": {}'), " " * (4 << 20) + "1"):
        problems: list[Any] = []
        unset: list[str] = []
        found = read_document(text, "schema", problems, {"ID": "名"}, unset)
        yield f"$ {text.strip()[:150]!r}"
        if len(found) > 5:
            yield f"  {len(found)} operations"
        else:
            for each in found.values():
                yield f"  {each.name} {each.method} {each.url} {each.description}".rstrip()
        if unset:
            yield f"  unset {unset}"
        for problem in problems:
            yield f"! {problem}"


_SCHEMA: Final = {
    "required": ["text"],
    "properties": {
        "text": {"type": "string", "description": "何"},
        "many": {"type": ["null", "integer"]},
        "share": {"type": "float"},
        "flag": {"oneOf": [{"type": "null"}, {"type": "boolean"}, {"type": "string"}]},
        "list": {"allOf": [{}, 5, {"type": "array"}]},
        "day": {"type": "object", "properties": {"日": {}}, "description": 5},
        "elsewhere": {"type": "array", "items": {"$ref": "#/$defs/x"}},
        "plain": {"anyOf": 7},
    },
}
_CONTENTS: Final[Mapping[str, Any]] = {
    "parts": {
        "content": [
            {"type": "text", "text": "世界"},
            {"type": "text", "text": ' {"a": 1} '},
            {"type": "text", "text": '[{"a": 1}, {"b": 2}]'},
            {"type": "text", "text": "[1, null]"},
            {"type": "text", "text": "[1}"},
            {"type": "text", "text": "{1}"},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGk=", "mimeType": ""},
            {"type": "resource", "resource": {"uri": "a:b", "text": "資料"}},
            {"type": "resource", "resource": {"uri": "file:///a.pdf", "blob": "aGk="}},
            {"type": "resource", "resource": {"uri": "file:///a", "blob": "aGk=", "mimeType": "text/csv"}},
            {"type": "unheard", "text": "of"},
        ],
        "isError": True,
        "structuredContent": {"n": 1, "名": ["猫"]},
    },
    "usage": {"content": [], "_meta": {"usage": {"total_tokens": 5, "total_price": 1e-05, "currency": "JPY" * 9}}},
    "counts": {"content": [], "_meta": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": -1}},
    "no usage": {"content": [], "_meta": {"usage": {"total_tokens": "5"}}, "structuredContent": {"hidden": 1}},
    "broken": {"content": [{"type": "image", "data": "hi!", "mimeType": "image/png"}]},
}


async def _mcp_servers(folder: Path) -> AsyncIterator[str]:
    listed = [{"name": name, "description": f"{name} 説明", "inputSchema": {}} for name in _CONTENTS]
    listed[0] |= {"inputSchema": _SCHEMA, "outputSchema": {"properties": {}}}
    called: list[str] = []

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        params = json.loads(request.body)["params"]
        called.append(_told(params))
        await mcp({"tools/call": _CONTENTS[params["name"]]})(writer, request)

    async with serving({"/mcp": mcp({"tools/list": {"tools": listed}, "tools/call": act})}) as server:
        entries = {
            "m": {"type": "mcp", "url": server.url("/mcp"), "headers": {"X-Key": "k"}},
            "file": {"type": "mcp", "url": server.url("/mcp"), "known_tools": [*listed[:1], {"name": "x"}]},
        }
        async with scene(folder, entries) as tools:
            async for line in _offered(tools, "mcp", "m"):
                yield line
            for request in server.requests:
                for line in _received(request, frozenset({"accept", "accept-encoding"})):
                    yield line
            for name in _CONTENTS:
                values = {"text": "日", "many": 0, "flag": None, "list": [], "share": " ", "unknown": False}
                async for line in _called(tools, None, "mcp", "m", name, values):
                    yield line
                for params in called:
                    yield f"  > {params}"
                called.clear()
            async for line in _offered(tools, "mcp", "file"):
                yield line
            for provider in ("m", "file", "none"):
                async for line in _called(tools, None, "mcp", provider, "missing", {}):
                    yield re.sub(r"file \S+tools.yml", "file tools.yml", line)


class _Apps:
    """``InnerWorkflows``: apps that do what their name says."""

    inputs = (
        InnerInput("q", "paragraph", required=True),
        InnerInput("n", "number", required=False),
        InnerInput("choice", "select", required=False, options=("甲", "乙")),
        InnerInput("ok", "checkbox", required=False),
        InnerInput("doc", "file", required=False),
        InnerInput("docs", "file-list", required=False),
        InnerInput("about", "json_object", required=False),
        InnerInput("odd", "of-later-days", required=False),
    )

    def __init__(self) -> None:
        self.calls: list[InnerCall] = []

    async def find(self, name: str) -> InnerApp | None:
        if name == "refused":
            raise InnerRefused("it is broken")
        return None if name == "missing" else InnerApp("id", name, self.inputs, name == "asks")

    async def run(self, call: InnerCall) -> InnerOutcome:
        self.calls.append(call)
        made = file("made.txt", transfer_method="tool_file")
        match call.app.name:
            case "refuses":
                raise InnerRefused("q is required")
            case "fails":
                return InnerOutcome({}, "it broke", 7)
            case "counts":
                return InnerOutcome({"model": {"usage": {"total_tokens": 4, "total_price": "0.1"}}}, None, 7)
            case "quiet":
                return InnerOutcome({"usage": 5}, None, 0)
        sent = file("sent.txt"), file("far.txt", transfer_method="remote_url"), file("odd.txt", transfer_method="odd")
        return InnerOutcome({"text": "own", "a": "声", "files": [made, *sent, 1], "one": made}, None, 7)


class _Knowledge:
    """``KnowledgeSearch`` with three datasets."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self.asked: list[SearchRequest] = []

    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        if ids[0] == "locked":
            raise SearchFailure("the id is encrypted", kind="X")
        return [] if ids[0] == "none" else [SearchedDataset(ids[0], "百科", ids[0] * (ids[0] != "plain"), "economy")]

    async def search(self, request: SearchRequest) -> SearchResult:
        self.asked.append(request)
        if request.query == "broken":
            raise SearchFailure("the model is away", kind="X")
        return SearchResult([_hit("猫は", 0.5), _hit("犬は", 0.25, answer="はい")])

    def count_hits(self, hits: Sequence[Hit]) -> None:
        self.counted += [str(hit.segment_id) for hit in hits]


def _hit(content: str, score: float, **more: Any) -> Hit:
    fields: dict[str, Any] = {"content": content, "score": score, "segment_id": f"s{score}", **more}
    for field in msgspec.structs.fields(Hit):
        if field.required and field.name not in fields:
            fields[field.name] = {str: field.name, int: 1, float: 0.0}.get(field.type)
    return Hit(**fields)


async def _apps_and_datasets(folder: Path) -> AsyncIterator[str]:
    names = ("works", "fails", "refuses", "counts", "quiet", "missing", "refused", "asks")
    entries: dict[str, Any] = {
        name: {"type": "workflow", "name": "道具", "app": name, "description": "何か"} for name in names
    }
    described = [{"name": "q", "description": "何を"}, {"name": "n", "form": "form"}, {"name": "attached"}]
    entries["described"] = {"type": "workflow", "app": "works", "parameters": described}
    apps, knowledge = _Apps(), _Knowledge()
    async with scene(folder, entries, workflows=apps, knowledge=knowledge) as tools:
        for name in ("works", "described"):
            async for line in _offered(tools, "workflow", name):
                yield line
        files = [file("a.txt"), None]
        given: dict[str, Json] = {"q": "声", "doc": None, "docs": files, "attached": files, "unknown": 1}
        for name in entries:
            async for line in _called(tools, None, "workflow", name, "t", given, depth=3):
                yield line
            while apps.calls:
                called = apps.calls.pop()
                yield f"  > {_told([called.inputs, called.files, *called[3:]])}"
        async for line in _called(tools, None, "workflow", "works", "t", {}, depth=10):
            yield line
        for dataset in ("動物", "plain", "none", "locked"):
            try:
                for line in _declared(await tools.find("dataset", dataset, "")):
                    yield line
            except ToolNotFound as missing:
                yield f"! {missing}"
        for values in ({"query": "猫"}, {"query": "broken"}, {"query": ""}, {"query": 5}, {}):
            async for line in _called(tools, None, "dataset", "動物", "", values, app_id="app", run_id="run"):
                yield line
        yield f"  > {_told(msgspec.to_builtins(knowledge.asked))} {knowledge.counted}"
        for model in ("", "speaker", "#speaker", "openai#"):
            async for line in _called(tools, None, "builtin", "audio", "tts", {"text": "言う", "model": model}):
                yield line
        for kind in ("app", "dataset-retrieval", "odd", "builtin", "api"):
            async for line in _called(tools, None, kind, "stranger", "x", {}):
                yield re.sub(r"file \S+tools.yml", "file tools.yml", line)


_FILES: Final = (
    "tools: {a: {type: htttp}, b: {}, c: {type: null}, d: {type: 5}}",
    "tools: {a: {type: mcp, url: 'http://a', command: x}, b: {type: mcp, command: '${X}'}, c: {type: mcp}}",
    "tools: {a: {type: mcp, url: '${X}', name: b}, c: {type: mcp, url: 'http://a/${X}', command: '${Y}${X}'}}",
    "tools: {a: {type: mcp, url: 'ftp://a', oauth: {token_url: 'nowhere', client_id: i, scopes: x, secret_in: hat}}}",
    "tools: {a: {type: mcp, url: 'http://a', oauth: {token_url: '${X}', client_id: i, client_secret: s}}}",
    "tools: {a: {type: mcp, url: 'http://a', timeout: 0, sse_read_timeout: x, transport: smoke, headers: {é: a}}}",
    "tools: {a: {type: mcp, url: 'http://a', apps: {b: {auth: {}}}, known_tools: [{}]}}",
    "tools: {a: {type: workflow, app: b, apps: {c: {auth: {}}}, parameters: [{name: a, form: z, type: b}, {}]}}",
    "tools: {a: {type: api, schema: 'paths: {}', auth: {type: key}, apps: {b: {auth: {type: api_key_query}, x: 1}}}}",
    "tools: {a: {type: api, schema: '', auth: {type: api_key_header, value: \"é\\n\", prefix: none}}}",
    "mcp_servers: {short: {app: a}, abcdefghijklmnop: {status: on, parameters: {a: 5}, x: 1}}",
)


async def _tools_files(folder: Path) -> AsyncIterator[str]:
    for text in _FILES:
        yield f"$ {text}"
        try:
            parsed = parse_tools_file(text, {}, source="tools.yml")
        except InvalidSettings as error:
            for line in str(error).splitlines():
                yield f"! {line}"
        else:
            yield f"  unset {_told({name: each.unset for name, each in parsed.providers.items()})}"


_TAGS: Final = (
    "a abbr address area article aside audio b base blockquote body br button canvas caption code col data datalist dd "
    "details dialog div dl dt em embed fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html i "
    "iframe img input label legend li link main map math meta meter nav noscript object ol optgroup option output p "
    "param picture pre progress script section select source span style summary svg table tbody td template textarea "
    "tfoot th thead title tr track ul video wbr"
).split()
_RAW: Final = ("iframe", "noscript", "script", "style", "textarea", "title")
_PAGES: Final = (
    "<title>題</title><title>二</title><p>a  b\n c",
    "<ul><li>a<ol><li>b</ol>c</ul>d</ul>e<ul></ul>",
    "a<nav>b<svg>c</nav>d</svg>e",
    "a<!-- b --!>c<!doctype x>d<?e?>f<SCRIPT>g</Script >h<style>i",
    "a &lt;b&gt; c<b",
    "<p/>a<br/>b<hr>c",
)


async def _pages(folder: Path) -> AsyncIterator[str]:
    """Tags with the same effect on a text stand in one line."""
    alike: dict[str, list[str]] = {}
    for tag in _TAGS:
        uses = [f"a<{tag}>b</{tag}>c"]
        # Versions of Python differ in what else is text of these.
        uses += [] if tag in _RAW else [f"a<{tag}>b", f"a<{tag}/>b"]
        alike.setdefault(_told([read_page(html).blocks for html in uses]), []).append(tag)
    for effect, tags in alike.items():
        yield f"  {effect} {' '.join(tags)}"
    for html in _PAGES:
        yield f"$ {html!r}"
        yield f"  {read_page(html).as_text()!r}"


async def transcript(folder: Path) -> str:
    """Return all lines. ``folder``: An empty one."""
    lines: list[str] = []
    for section in (_apis, _documents, _mcp_servers, _apps_and_datasets, _tools_files, _pages):
        lines += ["", f"# {section.__name__.strip('_')}"]
        (folder / section.__name__).mkdir()
        lines += [line async for line in section(folder / section.__name__)]
    text = "\n".join([*lines, ""]).lstrip()
    text = re.sub(r"(.)\1{30,}", lambda found: f"{found[1]}*{len(found[0])}", text)
    text = re.sub(r'("protocolVersion":")[^"]+', r"\1VERSION", text)
    return re.sub(r"127\.0\.0\.1:\d+", "SERVER", re.sub(r"\b[0-9a-f]{32}\b", "BOUNDARY", text))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        KEPT.write_text(asyncio.run(transcript(Path(name))), "utf-8")
