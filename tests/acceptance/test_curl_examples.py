"""The lines that ``jikko serve`` prints for a new app: a shell runs them as they are."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, start
from tests.effort import PATIENCE

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "名前": {"type": "string", "minLength": 3, "maxLength": 5},
        "age": {"type": "integer", "minimum": 18},
        "kind": {"enum": ["it's", "other"]},
        "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
    },
    "required": ["名前", "age", "kind", "tags"],
    "additionalProperties": False,
}


def an_input(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"variable": name, "label": name, "type": kind, "required": True, **more}


INPUTS: dict[str, dict[str, Any]] = {
    "short": an_input("country", "text-input", max_length=2),
    "paragraph": an_input("text", "paragraph"),
    "select": an_input("国", "select", options=['it\'s "$HOME" `x` 日本 🗾', "b"]),
    "number": an_input("n", "number"),
    "checkbox": an_input("yes", "checkbox"),
    "object": an_input("o", "json_object", json_schema=json.dumps(SCHEMA)),
    "file": an_input("f", "file"),
    "image": an_input("f", "file", allowed_file_types=["image"], allowed_file_upload_methods=["local_file"]),
    "custom": an_input("f", "file", allowed_file_types=["custom"], allowed_file_extensions=[".LOG"]),
    "files": an_input("f", "file-list", allowed_file_types=["audio", "video"], max_length=1),
}


def a_file(name: str, *variables: dict[str, Any]) -> str:
    first = node("start", "start", variables=list(variables))
    return app(name, [first, end(said=f"start.{variables[-1]['variable']}")], "start>end")


def lines(server: Server) -> str:
    """What it printed behind its address."""
    return "\n".join(line for line in server.output.split("/v1 (data in", 1)[1].splitlines()[1:])


def test_each_printed_line_runs_whatever_the_file_asks_for(tmp_path: Path) -> None:
    files = []
    for name, variable in INPUTS.items():
        files.append(tmp_path / f"{name}.yml")
        files[-1].write_text(a_file(name, variable), encoding="utf-8")
    files.append(tmp_path / "all.yml")
    every = [{**variable, "variable": f"v{at}"} for at, variable in enumerate(INPUTS.values())]
    files[-1].write_text(a_file("all", *every), encoding="utf-8")
    server = Server(tmp_path / "home", *files)
    try:
        names = re.findall(r"^  # (.*)$", lines(server), re.MULTILINE)
        assert names == [*INPUTS, "all"]
        curls = re.findall(r"(?:^  FILE_\d=.*\n)*^  curl .*$", lines(server), re.MULTILINE)
        assert len(curls) == len(files)
        for curl in curls:
            done = subprocess.run(
                ["sh", "-uc", curl], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, check=False
            )
            ended = [line for line in done.stdout.splitlines() if '"event":"workflow_finished"' in line]
            assert len(ended) == 1, done.stdout[-500:] + curl
            assert '"status":"succeeded"' in ended[0]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            a_file("x", an_input("f", "file", allowed_file_upload_methods=["remote_url"])),
            "its input 'f' accepts files only by URL",
        ),
        (
            a_file("x", an_input("f", "file", allowed_file_types=["custom"])),
            "its input 'f' accepts no file extension",
        ),
        (
            a_file("x", an_input("o", "json_object", json_schema='{"type": "object", "minProperties": 3}')),
            "its input 'o' has a JSON schema for which no sample was found",
        ),
    ],
)
def test_where_no_line_can_run_it_is_said_why(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "x.yml"
    file.write_text(text, encoding="utf-8")
    server = Server(tmp_path / "home", file)
    server.stop()
    assert why in lines(server)
    assert "curl" not in lines(server)


@pytest.mark.parametrize(
    ("text", "has_line"),
    [
        (a_file("x", an_input("s", "select", options=[])), False),
        (app("x", [start("q"), node("翻訳", "tool", tool_name="t"), end()], "start>翻訳 翻訳>end"), True),
    ],
)
def test_what_will_fail_is_told_in_the_words_of_check(tmp_path: Path, text: str, has_line: bool) -> None:
    file = tmp_path / "x.yml"
    file.write_text(text, encoding="utf-8")
    checked = Command(tmp_path / "other")("check", file).out.splitlines()[-1]
    server = Server(tmp_path / "home", file)
    server.stop()
    assert checked.startswith(f"{file}: will fail")
    assert checked.removeprefix(f"{file}: ") in lines(server)
    assert ("curl" in lines(server)) == has_line
