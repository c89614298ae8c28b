"""docs/files.md: what becomes of the files of others is what its table says."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.assemble import assemble
from jikko.events import RunFinished
from jikko.forecast.forecast import Forecast
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.forecast.running import foretold, here
from tests.outbound.server import answer, serving
from tests.providers.fake_model import Answer, Exchange, FakeModel, streamed, whole

pytestmark = pytest.mark.anyio

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "tests" / "forecast" / "samples"
_ROW: Final = re.compile(
    r"\| \[(?P<file>\S+\.yml)\]\((?P<link>\S+)\) \| [^|]+ \| (?P<outcome>\w+) \| (?P<lacks>[^|]*)\|"
)

LACKS: Final[Mapping[str, str]] = {
    "chat": r"chat apps are not served yet",
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


async def _image(exchange: Exchange) -> None:
    """A model that finds the link of a picture in what it is told."""
    told = json.dumps(exchange.body, ensure_ascii=False)
    found = re.search(r"https://pics\.test/\w+\.png", told)
    text = json.dumps({"image_url": found[0] if found else ""})
    await (streamed(text) if exchange.body.get("stream") else whole({"content": text}))(exchange)


COUPLET: Final = json.dumps({"banner": "春満乾坤", "top": "一二三", "bottom": "四五六"}, ensure_ascii=False)
RUNS: Final[Mapping[str, Case]] = {
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

    assert found.verdict in ("will_fail", "may_fail")
    for pattern in expected:
        assert any(re.search(pattern, text) for text in said), (pattern, said)
    for text in said:
        assert any(re.search(pattern, text) for pattern in expected), (text, expected)


def _said(lack: str) -> str:
    word, _, name = lack.partition(" ")
    return LACKS[word].format(re.escape(name))


@pytest.mark.parametrize("name", RUNS)
async def test_a_file_that_runs_has_the_outputs_that_it_is_to_have(name: str, tmp_path: Path) -> None:
    case = RUNS[name]
    made = answer(b'{"data": {"url": "https://pics.test/a1.png"}}', Content_Type="application/json")
    async with FakeModel(case.model) as model, serving({"/open/v1/pics": made}) as echo:
        text = (SAMPLES / name).read_bytes()
        assert _with_all_providers(text, tmp_path, model.url).verdict == "runs"
        if case.foreign:
            assert case.foreign.encode() in text
            text = text.replace(case.foreign.encode(), echo.url("").encode())
        settings = Settings(home=tmp_path, providers=tmp_path / "providers.yml", http_allow=("127.0.0.0/8",))
        async with assemble(settings, in_memory=True, environment={}) as assembly:
            published = await assembly.apps.publish(text, source=name)
            live = await assembly.runs.start(published.app, StartRequest(inputs=dict(case.inputs), user="tester"))
            end = await live.ended()
            await assembly.runs.close(0)

    assert isinstance(end, RunFinished)
    assert (end.status, end.error) == ("succeeded", None)
    assert case.outputs(end.outputs), end.outputs
    assert len(model.bodies) == case.asks
    assert len(echo.requests) == bool(case.foreign)
