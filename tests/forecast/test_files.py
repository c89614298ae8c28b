"""docs/files.md: real-world files end as its table states; chats get two turns."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.assemble import Assembly, assemble
from jikko.conversations.turns import TurnRequest
from jikko.events import RunFinished
from jikko.forecast.forecast import Forecast
from jikko.ports.stores.messages import Message
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.forecast.running import foretold, here
from tests.outbound.server import Act, Received, answer, serving
from tests.providers.fake_model import Answer, Exchange, FakeModel, streamed, whole

pytestmark = pytest.mark.anyio

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "tests" / "forecast" / "samples"
_ROW: Final = re.compile(
    r"\| \[(?P<file>\S+\.yml)\]\((?P<link>\S+)\) \| [^|]+ \| (?P<outcome>\w+) \| (?P<lacks>[^|]*)\|"
)

LACKS: Final[Mapping[str, str]] = {
    "agents": r"agent .* cannot be run by Jikko",
    "plugin": r"needs the plugin {0}, which is not installed",
    "library": r"there is no module '{0}'",
}
"""What check says of each; ``{0}`` is the word behind it."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    file: str
    link: str
    outcome: str
    lacks: tuple[str, ...]


def rows() -> list[Row]:
    found = []
    for line in (ROOT / "docs" / "files.md").read_text("utf-8").splitlines():
        if match := _ROW.match(line):
            lacks = tuple(one.strip() for one in match["lacks"].split(",") if one.strip())
            found.append(Row(match["file"], match["link"], match["outcome"], lacks))
    return found


@dataclass(frozen=True)
class Case:
    """A file that runs: what it is given, what the model says, and what comes of it."""

    inputs: Mapping[str, Any]
    outputs: Callable[[Mapping[str, Any]], bool]
    model: Answer = field(default_factory=lambda: streamed("你好", "世界"))
    foreign: str = ""
    """The address of a foreign service, for which an echo stands."""
    asks: int = 1
    """How often the model is asked in a run, or a turn."""
    calls: int = 0
    """How often the foreign service is called."""


async def _image(exchange: Exchange) -> None:
    """A model that finds the link of a picture in what it is told."""
    prompt = json.dumps(exchange.body, ensure_ascii=False)
    found = re.search(r"https://pics\.test/\w+\.png", prompt)
    text = json.dumps({"image_url": found[0] if found else ""})
    await (streamed(text) if exchange.body.get("stream") else whole({"content": text}))(exchange)


async def _steps(exchange: Exchange) -> None:
    """A model that finds two steps in a task, and otherwise says how much it was told."""
    prompt = exchange.body["messages"]
    steps = [{"name": "一", "content": "first"}, {"name": "二", "content": "second"}]
    asked = "steps" in json.dumps(prompt)
    text = json.dumps({"steps": steps}, ensure_ascii=False) if asked else f"[{len(prompt)}]"
    await (streamed(text) if exchange.body.get("stream") else whole({"content": text}))(exchange)


async def _subtitles(writer: asyncio.StreamWriter, request: Received) -> None:
    """A service that names where the subtitles of a video are, as its own path."""
    own = f"http://127.0.0.1:{writer.get_extra_info('sockname')[1]}/1.vtt"
    found = {"SubtitleInfo": {"SubtitleSet": [{"Id": json.loads(request.body)["FileIds"][0], "Url": own}]}}
    writer.write(answer(json.dumps({"Response": {"MediaInfoSet": [found]}}).encode()))
    await writer.drain()


FOREIGN: Final[Mapping[str, bytes | Act]] = {
    "/open/v1/pics": answer(b'{"data": {"url": "https://pics.test/a1.png"}}', Content_Type="application/json"),
    "/": _subtitles,
    "/1.vtt": answer("WEBVTT 日本".encode(), Content_Type="text/vtt; charset=utf-8"),
}
"""What the echo says in the place of foreign services, by path."""

HELP: Final = json.dumps({"category_id": "1715846565625", "category_name": "使用帮助"}, ensure_ascii=False)


async def _help(exchange: Exchange) -> None:
    """A model that sends every question where the answer is looked for."""
    await (streamed(HELP) if exchange.body.get("stream") else whole({"content": HELP}))(exchange)


COUPLET: Final = json.dumps({"banner": "春満乾坤", "top": "一二三", "bottom": "四五六"}, ensure_ascii=False)
RUNS: Final[Mapping[str, Case]] = {
    "artifact.yml": Case({}, lambda outputs: outputs["answer"] == "你好世界"),
    "book-translation.yml": Case(
        {"input_text": "word " * 3000}, lambda outputs: outputs == {"final": "你好世界 你好世界"}, asks=8
    ),
    "couplets.yml": Case(
        {"theme": "春", "count": "五言"},
        lambda outputs: all(text in outputs["output"] for text in ("坤乾満春", "一", "四")),
        streamed(COUPLET),
    ),
    "english-to-chinese.yml": Case({"content": "hello"}, lambda outputs: outputs == {"output": "你好世界"}),
    "headlines.yml": Case(
        {"subject": "茶", "description": ""},
        lambda outputs: outputs == {"title_list": ["一つ", "二つ"]},
        streamed("一つ\n", "二つ"),
    ),
    "intents.yml": Case(
        # Its author's dataset is nowhere: nothing is found in it, and the model answers without.
        {"query": "手环怎么用"},
        lambda outputs: outputs == {"output": HELP},
        _help,
        asks=4,
    ),
    "json-repair.yml": Case(
        {"llm_string": "{'名': '日本', \"l\": [1, 2,"},
        lambda outputs: json.loads(next(iter(outputs.values()))) == {"名": "日本", "l": [1, 2]},
        asks=0,
    ),
    "llm2o1.yml": Case({}, lambda outputs: outputs["answer"].endswith("]"), _steps, asks=5),
    "new-words.yml": Case({}, lambda outputs: "data:image/svg+xml;base64," in outputs["answer"], asks=2),
    "picture-knowledge.yml": Case({}, lambda outputs: outputs["answer"] == "你好世界"),
    "subtitles.yml": Case(
        {"file_ids": "v1", "sub_appid": 7},
        lambda outputs: outputs["content"] == "WEBVTT 日本",
        foreign="https://{HOST}",
        asks=0,
        calls=2,
    ),
    "text-to-card.yml": Case(
        {"author": "me", "body_text": "a text"},
        lambda outputs: outputs == {"image_url": "https://pics.test/a1.png"},
        _image,
        foreign="https://api.imgrender.cn",
        calls=1,
    ),
    "thinking.yml": Case({}, lambda outputs: outputs["answer"] == "你好世界"),
    "translation.yml": Case(
        {"source_lang": "English", "target_lang": "中文", "source_text": "hello", "country": "中国"},
        lambda outputs: outputs == {"output": "你好世界"},
        asks=3,
    ),
}


def test_every_file_has_a_row_and_every_row_a_file() -> None:
    assert sorted(row.file for row in rows()) == sorted(path.name for path in SAMPLES.glob("*.yml"))
    for row in rows():
        assert (ROOT / "docs" / row.link).resolve() == SAMPLES / row.file
        assert row.outcome in (("lacks", "runs") if row.lacks else ("runs",))


def test_every_file_that_runs_and_lacks_nothing_is_run() -> None:
    assert {row.file for row in rows() if row.outcome == "runs" and not row.lacks} == set(RUNS)


def _with_all_providers(text: bytes, tmp_path: Path, url: str = "https://models.test/v1") -> Forecast:
    providers = tmp_path / "providers.yml"
    providers.write_text(json.dumps({"providers": {"*": {"type": "openai", "base_url": url}}}))
    return foretold(text, here(providers))


@pytest.mark.parametrize("row", [row for row in rows() if row.lacks], ids=lambda row: row.file)
def test_a_file_that_lacks_something_lacks_just_that(row: Row, tmp_path: Path) -> None:
    found = _with_all_providers((SAMPLES / row.file).read_bytes(), tmp_path)
    expected = [_message(lack) for lack in row.lacks]
    problems = [finding.text() for finding in found.findings if finding.cause not in ("secret", "knowledge")]

    # A run goes on where an iteration goes on after failed rounds: that is a warning.
    assert found.verdict in ("will_fail", "may_fail") or {one.severity for one in found.findings} == {"warning"}
    for pattern in expected:
        assert any(re.search(pattern, text) for text in problems), (pattern, problems)
    for text in problems:
        assert any(re.search(pattern, text) for pattern in expected), (text, expected)


def _message(lack: str) -> str:
    word, _, name = lack.partition(" ")
    return LACKS[word].format(re.escape(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
async def test_a_file_that_runs_has_the_outputs_that_it_is_to_have(name: str, tmp_path: Path) -> None:
    case = RUNS[name]
    async with FakeModel(case.model) as model, serving(FOREIGN) as echo:
        text = (SAMPLES / name).read_bytes()
        assert _with_all_providers(text, tmp_path, model.url).verdict == "runs"
        if case.foreign:
            assert case.foreign.encode() in text
            text = text.replace(case.foreign.encode(), echo.url("").encode())
        settings = Settings(home=tmp_path, providers=tmp_path / "providers.yml", http_allow=("127.0.0.0/8",))
        async with assemble(settings, in_memory=True, environment={}) as assembly:
            app = (await assembly.apps.publish(text, source=name)).app
            ends = await (_turns if app.mode == "advanced-chat" else _run)(assembly, app, case)
            await assembly.runs.close(0)

    for end in ends:
        assert (end.status, end.error) == ("succeeded", None)
        assert case.outputs(end.outputs), end.outputs
    assert len(model.bodies) == case.asks * len(ends)
    assert len(echo.requests) == case.calls


async def _run(assembly: Assembly, app: App, case: Case) -> list[RunFinished]:
    live = await assembly.runs.start(app, StartRequest(inputs=dict(case.inputs), user="tester"))
    end = await live.ended()
    assert isinstance(end, RunFinished)
    return [end]


async def _turns(assembly: Assembly, app: App, case: Case) -> list[RunFinished]:
    ends: list[RunFinished] = []
    conversation_id = ""
    for query in ("お茶とは？", "and then? 🙂"):
        asked = TurnRequest(
            query=query, inputs=case.inputs, user="tester", conversation_id=conversation_id, name_wanted=False
        )
        start = await assembly.chat.turns.begin(app, asked)
        assert not isinstance(start, Message)
        end = await start.run.ended()
        assert isinstance(end, RunFinished)
        assert (end.status, end.error) == ("succeeded", None)
        ends.append(end)
        message = await assembly.conversations.message_of_run(start.run.record.identity.run_id)
        assert message is not None
        assert message.answer.text == end.outputs["answer"]
        conversation_id = message.conversation_id
    return ends
