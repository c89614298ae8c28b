"""Message catalogue: complete in every language, and consistent with the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.diagnostics.translations import Language, language_of, texts
from tests.effort import no_garbage_collector

SOURCE = Path(__file__).parents[2] / "src" / "jikko"
PLACE = re.compile(r"\{(\w+)\}")
WORDED = ("Phrase", "Diagnostic", "worded", "PhraseError", "DocumentFailure", "CuttingError", "ConditionError")
"""What takes a code as its first argument."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[ast.AST]]:
    """Syntax trees of the source."""
    with no_garbage_collector():
        yield [node for file in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]


def _made_of_parts(nodes: list[ast.AST]) -> Iterator[str]:
    """Regular expressions for the codes that the source makes of parts."""
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else None for part in node.values]
            if any(part and "\\." in part for part in parts):
                yield "".join(part or r"[\w-]+" for part in parts)


def _calls(nodes: list[ast.AST]) -> Iterator[ast.Call]:
    for node in nodes:
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WORDED
        if isinstance(node, ast.Call) and named and node.args and isinstance(node.args[0], ast.Constant):
            yield node


def test_both_languages_have_the_same_codes_in_the_same_order() -> None:
    assert list(texts("ja")) == list(texts("en")) == sorted(texts("en"))


def test_a_text_names_the_same_parameters_in_both_languages() -> None:
    english, japanese = texts("en"), texts("ja")
    assert [code for code in english if {*PLACE.findall(japanese[code])} != {*PLACE.findall(english[code])}] == []


def test_texts_are_in_their_language() -> None:
    japanese = re.compile("[ぁ-んァ-ン一-龯（）]")
    assert [code for code, text in texts("en").items() if japanese.search(text)] == []
    same = {code for code, text in texts("ja").items() if not japanese.search(text)}
    assert all(texts("ja")[code] == texts("en")[code] for code in same)
    assert all(PLACE.search(text) for code, text in texts("en").items() if code in same)


def test_every_code_that_is_worded_has_a_text_and_all_that_its_text_names(nodes: list[ast.AST]) -> None:
    for call in _calls(nodes):
        code = call.args[0]
        assert isinstance(code, ast.Constant)
        assert isinstance(code.value, str)
        assert code.value in texts("en"), ast.unparse(call)
        given = call.args[1] if len(call.args) > 1 else None
        if given is None or isinstance(given, ast.Dict):
            names = {key.value for key in (given.keys if given else ()) if isinstance(key, ast.Constant)}
            assert set(PLACE.findall(texts("en")[code.value])) <= names, ast.unparse(call)


def test_every_text_is_said_somewhere(nodes: list[ast.AST]) -> None:
    spelt_out = {node.value for node in nodes if isinstance(node, ast.Constant)}
    made = re.compile("|".join(f"(?:{pattern})" for pattern in {*_made_of_parts(nodes)}))
    assert [code for code in texts("en") if code not in spelt_out and not made.fullmatch(code)] == []


def test_a_message_may_be_part_of_another() -> None:
    missing = Phrase("import.missing", {"module": "'numpy'", "line": 3})
    whole = Phrase("outcome.will_fail_at", {"title": "集計 {line}", "text": missing})
    assert whole.text() == "will fail at node \"集計 {line}\": there is no module 'numpy' (line 3 of the code)"
    assert (
        whole.text("ja") == "ノード「集計 {line}」で必ず失敗します: モジュール 'numpy' はありません（コードの 3 行目）"
    )
    assert whole.plain() == {
        "title": "集計 {line}",
        "text": {"code": "import.missing", "params": {"module": "'numpy'", "line": 3}},
    }


def test_a_diagnostic_is_told_with_its_note_and_its_remedy() -> None:
    found = Diagnostic("secret.api_key", remedy=Phrase("remedy.enter_in_node"), note="note.some_runs")
    assert found.cause == "secret"
    assert found.text() == "API key is required for authorization but was empty; not every run reaches it"
    assert found.sentence() == f"{found.text()}; enter it in the node"
    assert found.sentence("ja").endswith("すべての実行がここに来るわけではありません；ノードに入力してください")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja"}, "ja"),
        ({"LANG": "jam_JM"}, "en"),
        ({"LC_ALL": "", "LANG": "ja.UTF-8"}, "ja"),
    ],
)
def test_the_language_is_that_of_the_environment(environment: dict[str, str], language: Language) -> None:
    assert language_of(environment) == language
