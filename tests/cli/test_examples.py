"""Lines that start a run: words of a shell that the command reads as they were meant."""

import json
import shlex
from typing import Any

import pytest

from jikko.cli.checking.dsl_sources import command_line

UPLOAD = {"type": "document", "transfer_method": "local_file", "upload_file_id": "ID-OF-AN-UPLOAD"}
REMOTE = {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/sample.png"}


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("日本 🌸", "日本 🌸"),
        ("@all", "@@all"),
        ("it's", "it's"),
        (1.5, "1.5"),
        (True, "true"),
        ({}, "{}"),
        ([], "[]"),
        (UPLOAD, "@PATH"),
        ([UPLOAD], "@PATH"),
        (REMOTE, "https://example.com/sample.png"),
        ([REMOTE], "https://example.com/sample.png"),
        ([REMOTE, "x"], json.dumps([REMOTE, "x"])),
    ],
)
def test_a_sample_is_a_word_that_the_command_reads_as_it_was_meant(value: Any, word: str) -> None:
    assert shlex.split(command_line("a.yml", {"q": value})) == ["jikko", "run", "a.yml", "-i", f"q={word}"]


def test_each_file_of_a_list_is_an_option_of_its_own() -> None:
    line = command_line("a.yml", {"q": [REMOTE, UPLOAD]})
    assert shlex.split(line)[3:] == ["-i", f"q={REMOTE['url']}", "-i", "q=@PATH"]


@pytest.mark.parametrize(("file", "word"), [("-x.yml", "./-x.yml"), ("-", "-"), ("a b.yml", "a b.yml")])
@pytest.mark.parametrize(("mode", "command"), [("workflow", "run"), ("advanced-chat", "chat")])
def test_a_path_is_no_option(file: str, word: str, mode: str, command: str) -> None:
    assert shlex.split(command_line(file, {}, mode=mode)) == ["jikko", command, word]
