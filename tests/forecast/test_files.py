"""docs/files.md: what becomes of the files of others is what its table says."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.assemble import assemble
from jikko.conversations.turns import TurnRequest
from jikko.events import RunFinished
from jikko.forecast.forecast import Forecast
from jikko.runs.idempotency import Start, Started
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.forecast.running import foretold, here
from tests.outbound.server import RawServer, answer, serving
from tests.providers.fake_model import Answer, Exchange, FakeModel, streamed, whole

pytestmark = pytest.mark.anyio

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "tests" / "forecast" / "samples"
_ROW: Final = re.compile(
    r"\| \[(?P<file>\S+\.yml)\]\((?P<link>\S+)\) \| [^|]+ \| (?P<outcome>\w+) \| (?P<lacks>[^|]*)\|"
)

LACKS: Final[Mapping[str, str]] = {
    "agents": r"agent .* cannot be run by Jikko",
    "knowledge": r"knowledge retrieval cannot be run by Jikko",
    "plugin": r"is part of the plugin {0}, which is not installed",
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
    """How often the model is asked."""
    fetches: int = 0
    """How often the foreign service is."""
    query: str = ""
    """What a chat app is asked."""


async def _image(exchange: Exchange) -> None:
    """A model that finds the link of a picture in what it is told."""
    told = json.dumps(exchange.body, ensure_ascii=False)
    found = re.search(r"https://pics\.test/\w+\.png", told)
    text = json.dumps({"image_url": found[0] if found else ""})
    await (streamed(text) if exchange.body.get("stream") else whole({"content": text}))(exchange)


COUPLET: Final = json.dumps({"banner": "春満乾坤", "top": "一二三", "bottom": "四五六"}, ensure_ascii=False)


async def _steps(exchange: Exchange) -> None:
    """A model that finds two steps where it is to extract some, and else says a word."""
    if exchange.body.get("stream"):
        await streamed("答え")(exchange)
    else:
        steps = [{"name": "one", "content": "first"}, {"name": "two", "content": "second"}]
        await whole({"content": json.dumps({"steps": steps})})(exchange)


RUNS: Final[Mapping[str, Case]] = {
    "artifact.yml": Case(
        {}, lambda outputs: outputs["answer"] == "<p>紙</p>", streamed("<p>", "紙</p>"), query="make a page"
    ),
    "llm2o1.yml": Case(
        {},
        lambda outputs: outputs["answer"].count("答え") == 3 and "最终解答" in outputs["answer"],
        _steps,
        asks=5,
        query="why?",
    ),
    "new-words.yml": Case(
        {},
        lambda outputs: "data:image/svg+xml;base64," in outputs["answer"],
        streamed("新しい言葉。"),
        asks=2,
        query="茶",
    ),
    "json-repair.yml": Case(
        {"llm_string": "{'名': 1, broken: [1, 2"},
        lambda outputs: json.loads(outputs["output"]) == {"名": 1, "broken": [1, 2]},
        asks=0,
    ),
    "subtitles.yml": Case(
        {"file_ids": "1", "sub_appid": 1},
        lambda outputs: outputs == {"status": 1, "content": "WEBVTT\n\n字幕"},
        foreign="https://{HOST}",
        asks=0,
        fetches=2,
    ),
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
    "text-to-card.yml": Case(
        {"author": "me", "body_text": "a text"},
        lambda outputs: outputs == {"image_url": "https://pics.test/a1.png"},
        _image,
        foreign="https://api.imgrender.cn",
        fetches=1,
    ),
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
        assert row.outcome == ("lacks" if row.lacks else "runs")


def test_every_file_that_runs_is_run() -> None:
    assert {row.file for row in rows() if row.outcome == "runs"} == set(RUNS)


def _with_all_providers(text: bytes, tmp_path: Path, url: str = "https://models.test/v1") -> Forecast:
    providers = tmp_path / "providers.yml"
    providers.write_text(json.dumps({"providers": {"*": {"type": "openai", "base_url": url}}}))
    return foretold(text, here(providers))


@pytest.mark.parametrize("row", [row for row in rows() if row.lacks], ids=lambda row: row.file)
def test_a_file_that_lacks_something_lacks_just_that(row: Row, tmp_path: Path) -> None:
    found = _with_all_providers((SAMPLES / row.file).read_bytes(), tmp_path)
    expected = [_said(lack) for lack in row.lacks]
    said = [finding.what for finding in found.findings if finding.cause != "secret"]

    for pattern in expected:
        assert any(re.search(pattern, text) for text in said), (pattern, said)
    for text in said:
        assert any(re.search(pattern, text) for pattern in expected), (text, expected)


def _said(lack: str) -> str:
    word, _, name = lack.partition(" ")
    return LACKS[word].format(re.escape(name))


def foreign_answers(echo: RawServer) -> dict[str, bytes]:
    """What stands for foreign services."""
    subtitles = {"SubtitleInfo": {"SubtitleSet": [{"Id": "1", "Url": echo.url("/1.vtt")}]}}
    answers = {
        "/open/v1/pics": {"data": {"url": "https://pics.test/a1.png"}},
        "/": {"Response": {"MediaInfoSet": [subtitles]}},
    }
    found = {path: answer(json.dumps(it).encode(), Content_Type="application/json") for path, it in answers.items()}
    return {**found, "/1.vtt": answer("WEBVTT\n\n字幕".encode(), Content_Type="text/vtt; charset=utf-8")}


@pytest.mark.parametrize("name", RUNS)
async def test_a_file_that_runs_has_the_outputs_that_it_is_to_have(name: str, tmp_path: Path) -> None:
    case = RUNS[name]
    async with FakeModel(case.model) as model, serving({}) as echo:
        echo.answers = foreign_answers(echo)
        text = (SAMPLES / name).read_bytes()
        assert _with_all_providers(text, tmp_path, model.url).verdict == "runs"
        if case.foreign:
            assert case.foreign.encode() in text
            text = text.replace(case.foreign.encode(), echo.url("").encode())
        settings = Settings(home=tmp_path, providers=tmp_path / "providers.yml", http_allow=("127.0.0.0/8",))
        async with assemble(settings, in_memory=True, environment={}) as assembly:
            published = await assembly.apps.publish(text, source=name)
            if case.query:
                turn = TurnRequest(query=case.query, inputs=case.inputs, user="tester", name_wanted=False)
                begun = await assembly.turns.begin(published.app, turn)
                assert isinstance(begun, Start)
                live: Started = begun.run
            else:
                live = await assembly.runs.start(published.app, StartRequest(inputs=case.inputs, user="tester"))
            end = await live.ended()
            await assembly.runs.close(0)

    assert isinstance(end, RunFinished)
    assert (end.status, end.error) == ("succeeded", None)
    assert case.outputs(end.outputs), end.outputs
    assert len(model.bodies) == case.asks
    assert len(echo.requests) == case.fetches
