"""Files that are not workflows: refused with a clear message, quickly, and without exceptions."""

from typing import Any

import pytest
import yaml

from jikko.dsl.load import LoadLimits, load
from tests.effort import cpu_seconds

from .files import RUNNABLE, problems

LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\xef\xbb\xbf", "the file is empty", id="only a byte order mark"),
        pytest.param(b"# nothing\n", "the file is empty", id="only a comment"),
        pytest.param(b"null", "the file is empty", id="null"),
        pytest.param(b"[a, b]", "the file is a list, not a mapping", id="a list"),
        pytest.param(b"just a text", "the file is 'just a text', not a mapping", id="a text"),
        pytest.param(b"42", "the file is 42, not a mapping", id="a number"),
        pytest.param(b"{}", "app: is missing", id="an empty mapping"),
        pytest.param(b"a: 1", "app: is missing", id="a mapping that is no app"),
        pytest.param(b"a:\n\tb: 1", "line 2, column 1: is not YAML: found character", id="tabs"),
        pytest.param(b"a: b: c", "line 1, column 5: is not YAML: mapping values are not", id="a colon too much"),
        pytest.param(b'a: 1\nb: "x\nc: 2\n', "line 2, column 4: is not YAML: a quote begins here", id="an open quote"),
        pytest.param(
            b"{nodes: [], connections: {}}", "app: is missing (this looks like a file of n8n, not like a", id="n8n"
        ),
        pytest.param(
            b"services: {}", "app: is missing (this looks like a file of Docker Compose, not like a", id="Compose"
        ),
        pytest.param(b"cases: []", "app: is missing (this is a file of test cases; run it with `jikko", id="tests"),
        pytest.param(b"a: [1, 2", "line 2, column 1: is not YAML: did not find expected ',' or ']'", id="an open list"),
        pytest.param(b"a: *b", "line 1, column 4: is not YAML: found undefined alias 'b'", id="an unknown alias"),
        pytest.param(b"a: 1\n---\nb: 2", "line 2, column 1: has more than one YAML document", id="two documents"),
        pytest.param(b"a: !!python/object:os.system x", "line 1, column 4: has the tag", id="a Python object"),
        pytest.param(b"a: !secret x", "line 1, column 4: has the tag '!secret', which is not allowed", id="a tag"),
        pytest.param(b"a: !x [1]", "line 1, column 4: has the tag '!x', which is not allowed", id="a tagged list"),
        pytest.param(b"? [a, b]\n: c", "line 1, column 3: has a list or mapping as a key", id="a list as a key"),
        pytest.param(b"<<: 5", "line 1, column 5: has a '<<' key that names no mapping", id="a merge of nothing"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "the file is not a text file", id="a picture"),
        pytest.param(b"PX\x03\x04 x", "line 1, column 3: has the character '\\x03'", id="control characters"),
        pytest.param(b"app:\n  name: caf\xe9", "line 2, column 12: is not UTF-8: byte 0xe9", id="latin-1"),
        pytest.param(b"\xff\xfea", "line 1, column 3: is not UTF-16", id="broken UTF-16"),
        pytest.param("app: \ud800", "line 1, column 6: has the character '\\ud800'", id="half a character"),
        pytest.param("[" * 100_000, "line 1, column", id="brackets without end"),
        pytest.param("".join(" " * n + "a:\n" for n in range(200)), "line 101, column 101: is nested deeper than 100"),
        pytest.param("- " * 100_000, "line 1, column 201: is nested deeper than 100 levels", id="dashes without end"),
        pytest.param("a: &a [*a]", "line 1, column 8: refers to itself by the alias 'a'", id="a list of itself"),
        pytest.param("a: &a {b: {<<: *a}}", "line 1, column 16: refers to itself", id="a mapping merged into itself"),
        pytest.param(LAUGHS, "line 7, column 10: has more than 2000000 values", id="a billion laughs"),
        pytest.param(
            "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 1000)),
            "line 100, column 12: is nested deeper than 100 levels",
            id="depth by aliases",
        ),
        pytest.param(
            f"a: &a '{'x' * 1_000_000}'\nb: [{'*a,' * 1000}]",
            "line 2, column 95: has more than 2000000 values",
            id="a long text, repeated by aliases",
        ),
    ],
)
def test_what_is_no_app_is_refused_with_one_clear_message(text: bytes | str, problem: str) -> None:
    found: list[str] = []
    spent = cpu_seconds(lambda: found.extend(problems(text)))

    assert len(found) == 1
    assert found[0].startswith(problem)
    # Less than a large file that is in order, which is not asked about those that take next to nothing.
    assert spent < 0.005 or spent < cpu_seconds(lambda: problems("a: [" + "x, " * 200_000 + "]"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"\xff" * 50_000_000, "the file is too large: the limit is 10 MiB"),
        ("\ud800" * 11_000_000, "the file is too large: the limit is 10 MiB"),
    ],
    ids=["bytes", "characters"],
)
def test_a_large_file_is_refused_without_being_read(text: bytes | str, problem: str) -> None:
    # Who reads it finds that it is no text at all.
    assert problems(text) == [problem]


def test_limits_can_be_set() -> None:
    loaded = load("a: {b: c}", source="x", runnable=RUNNABLE, limits=LoadLimits(max_depth=1))

    assert str(loaded.problems[0]) == "line 1, column 4: is nested deeper than 1 levels"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\xef\xbb\xbfapp: {mode: chat}", id="UTF-8 with a byte order mark"),
        pytest.param("app: {mode: chat}".encode("utf-16"), id="UTF-16"),
        pytest.param("\ufeffapp: {mode: chat}", id="text with a byte order mark"),
        pytest.param("app: {mode: chat, name: \U0001f916}", id="characters beyond 16 bits"),
        pytest.param("app: {mode: chat}\r\nkind: app\r\n", id="Windows line ends"),
        pytest.param("1: a\ntrue: b\napp: {mode: chat}", id="keys that are no texts"),
        pytest.param('{"app":\n\t{"mode": "chat"}}', id="JSON, with tabs"),
    ],
)
def test_what_can_be_read_is_read(text: Any) -> None:
    assert problems(text) == [
        "model_config: is missing (an app of mode 'chat' names its model and settings under 'model_config')"
    ]


def test_a_key_that_is_there_twice_is_told_and_the_last_one_holds() -> None:
    twice, mode = problems("app: {mode: workflow}\napp2: 1\napp: {mode: chat}")

    assert (
        twice
        == "warning: line 3, column 1: the key 'app' is here a second time (the last one holds: remove the others)"
    )
    assert mode.startswith("model_config: is missing (an app of mode 'chat'")


def test_without_the_c_library_files_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # The choice is made once, when the module is imported; an installation without it cannot be had in a test.
    monkeypatch.setattr("jikko.dsl.text.yaml_text._LOADER", yaml.SafeLoader)

    assert problems("app:\n  mode: chat")[0].startswith("model_config: is missing (an app of mode 'chat'")
    assert problems("a: 'b")[0].startswith("line 1, column 4: is not YAML: a quote begins here and is never closed")
    assert problems("a: \x00")[0].startswith("line 1, column 4: has the character '\\x00', which YAML does not allow")
