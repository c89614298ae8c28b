"""Which files a typed question names."""

from pathlib import Path

import pytest

from jikko.cli.chat.turn import TypedQuestion, paths_like, question_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.txt", "b 二.png", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c").write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "text", "files"),
    [
        ("what is @a.txt about?", "what is about?", ["a.txt"]),
        ('@"b 二.png" and @a.txt', "and", ["b 二.png", "a.txt"]),
        ("@a.txt", "", ["a.txt"]),
        ("look  twice @sub/c", "look  twice", ["sub/c"]),
        ("mail me@a.txt or @bob @", "mail me@a.txt or @bob @", []),
        ("@@a.txt and @@", "@a.txt and @", []),
        ("no  file\there", "no  file\there", []),
    ],
)
def test_words_with_an_at_sign_that_name_files_are_these(folder: Path, line: str, text: str, files: list[str]) -> None:
    assert question_of(line) == TypedQuestion(text, tuple(map(Path, files)))


@pytest.mark.parametrize("name", ["x.txt", "sub/", "~/nothing", "a.txt/b", "\x00.pdf"])
def test_what_looks_like_a_path_and_is_none_is_told(folder: Path, name: str) -> None:
    assert question_of(f"see @{name}").missing == (name,)


def test_a_quoted_name_is_meant_as_a_file(folder: Path) -> None:
    assert question_of('@"no such"').missing == ("no such",)


def test_a_home_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))

    assert question_of("@~/a.txt").files == (folder / "a.txt",)


def test_paths_are_completed_folder_by_folder(folder: Path) -> None:
    assert paths_like("") == ["a.txt", "b 二.png", "sub/"]
    assert paths_like("a") == ["a.txt"]
    assert paths_like("sub/") == ["sub/c"]
    assert paths_like(".h") == [".hidden"]
    assert paths_like(f"{folder}/s") == [f"{folder}/sub/"]
    assert paths_like("nowhere/x") == []
