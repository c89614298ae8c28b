"""``jikko.replay``: recorded runs on a changed workflow, in a program."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import jikko
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, start, template

pytestmark = pytest.mark.slow


def written(folder: Path, text: str) -> Path:
    flow = folder / "flow.yml"
    nodes = [start("q"), template("made", text, q="start.q"), end(x="made.output")]
    flow.write_text(app("挨拶", nodes, "start>made>end"), encoding="utf-8")
    return flow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three runs."""
    command = Command(tmp_path / "home")
    for text in ("円", "🚑", "c"):
        assert command("run", written(tmp_path, "{{ q }}!"), "-i", f"q={text}", "--keep").code == 0
    assert command("runs", "export", tmp_path / "runs.jsonl").code == 0
    for name in ("JIKKO_PROVIDERS", "JIKKO_TOOLS", "JIKKO_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return command.home


def test_runs_on_their_own_version_and_on_a_changed_one(home: Path, tmp_path: Path) -> None:
    assert [each.outcome for each in jikko.replay(app="挨拶", home=home)] == ["same"] * 3

    first, *_ = changed = jikko.replay(written(tmp_path, "{{ q }}?"), app="挨拶", home=str(home), last=2)

    assert [each.outcome for each in changed] == ["other_result"] * 2
    assert first.where == ("made", "end")
    assert first.difference is not None
    assert (first.difference.before, first.difference.after) == ("c!", "c?")
    [named] = asyncio.run(jikko.replay_async(tmp_path / "flow.yml", runs=[first.run], home=home))
    assert named == first
    assert jikko.replay(app="挨拶", home=home, since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_an_export_needs_no_data_folder(home: Path, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yml"

    results = jikko.replay(flow, export=tmp_path / "runs.jsonl", before=flow, home=tmp_path / "none")

    assert [each.outcome for each in results] == ["same"] * 3
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({}, jikko.InvalidParam, "choose runs"),
        ({"app": "挨拶", "runs": ["x"]}, jikko.InvalidParam, "choose runs"),
        ({"export": "runs.jsonl"}, jikko.InvalidParam, "name one to replay it against"),
        ({"app": "別"}, jikko.JikkoError, "別"),
        ({"app": "挨拶", "mode": "nearly"}, jikko.InvalidParam, "strict, nearest or live"),
    ],
)
def test_wrong_use_is_told(home: Path, given: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        jikko.replay(**given, home=home)


def test_a_folder_without_a_record_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(jikko.JikkoError, match="it has no database"):
        jikko.replay(app="挨拶", home=tmp_path / "none")
    assert not (tmp_path / "none").exists()
