"""Inputs given as texts: parsed by their types, with all errors reported at once."""

import shlex
from typing import Any

import pytest

from jikko.dsl.start_variables import StartVariable
from jikko.inputs.given import GivenInputs, Upload, given_inputs


def variable(name: str, kind: str = "paragraph", **more: Any) -> StartVariable:
    return StartVariable(name=name, label=name, type=kind, **more)


def files(path: str) -> str:
    """Three files: one is missing, one is no text."""
    match path:
        case "text.txt":
            return "行 1\n行 2"
        case "n.txt":
            return "7\n"
        case "binary":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        case _:
            raise FileNotFoundError(2, "No such file or directory")


def given(variables: list[StartVariable], *pairs: tuple[str, str], **document: Any) -> GivenInputs:
    return given_inputs(variables, pairs, document, files)


@pytest.mark.parametrize(
    "text",
    ['{"a":"hello"}', "{a:1,}", "[1]", "12", "true", "null", "", "[" * 100_000, "x" * 1_000_000, "🚀 日本", "\ue000"],
)
def test_a_text_stays_the_text_that_it_is_also_if_it_looks_like_json(text: str) -> None:
    found = given([variable("q")], ("q", text))

    assert (found.values, found.problems) == ({"q": text}, [])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "3", 3),
        ("number", " -2.5 ", -2.5),
        ("number", "1e3", 1000.0),
        ("checkbox", "Yes", True),
        ("checkbox", "0", False),
        ("json_object", '{"a": [1, "é"]}', {"a": [1, "é"]}),
    ],
)
def test_other_inputs_are_read_as_what_they_are(kind: str, text: str, value: Any) -> None:
    assert given([variable("x", kind)], ("x", text)).values == {"x": value}


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("number", "three", "input 'x' is \"three\", expected a number"),
        ("number", "nan", "input 'x' is \"nan\", expected a number"),
        ("number", "9" * 400 + ".0", "expected a number"),
        ("checkbox", "maybe", "expected true or false"),
        ("json_object", "[1]", "expected a JSON object"),
        ("json_object", "{a:1}", "input 'x' is not JSON: "),
        ("json_object", "[" * 100_000, "nested deeper than 256 levels"),
        ("file", "report.pdf", "give its path behind an @"),
        ("file-list", "report.pdf", "give its path behind an @"),
    ],
)
def test_a_text_that_does_not_fit_its_type_is_told_with_what_is_expected(kind: str, text: str, why: str) -> None:
    found = given([variable("x", kind)], ("x", text))

    assert found.values == {}
    assert why in "".join(found.problems)


def test_a_choice_is_one_of_the_options_and_a_near_miss_is_named() -> None:
    select = variable("color", "select", options=("red", "green"))

    assert given([select], ("color", "red")).values == {"color": "red"}
    assert given([select], ("color", "gren")).problems == [
        "input 'color' is \"gren\", expected one of red, green (did you mean 'green'?)"
    ]


def test_a_text_may_be_too_long() -> None:
    assert given([variable("country", max_length=2)], ("country", "DEU")).problems == [
        "input 'country' is longer than 2 characters"
    ]


def test_all_that_is_missing_or_wrong_is_told_at_once_with_an_example() -> None:
    found = given(
        [
            variable("pieces", "number", required=True),
            variable("country", "text-input", required=True, max_length=2),
            variable("why", "json_object"),
        ],
        ("why", "x"),
    )

    assert found.problems[0] == "missing inputs: pieces (number), country (text, at most 2 characters)"
    assert len(found.problems) == 2
    assert found.example == "-i pieces=1 -i country=te"
    assert given([variable("f", "file", required=True)]).example == "-i f=@PATH"


def test_an_unknown_input_is_left_out_and_what_was_meant_is_guessed() -> None:
    found = given([variable("pieces", "number")], ("piece", "1"))

    assert (found.values, found.problems) == ({}, [])
    assert found.unknown == ["no input 'piece' (did you mean 'pieces'?)"]


def test_a_file_is_uploaded_where_a_file_is_asked_for_and_read_where_a_text_is() -> None:
    variables = [variable("f", "file"), variable("t"), variable("n", "number"), variable("l", "file-list")]

    found = given(
        variables,
        ("f", "@sales.csv"),
        ("t", "@text.txt"),
        ("n", "@n.txt"),
        ("l", "@a.pdf"),
        ("l", "https://host/b.pdf"),
    )

    assert found.values == {
        "f": Upload("sales.csv"),
        "t": "行 1\n行 2",
        "n": 7,
        "l": [Upload("a.pdf"), {"transfer_method": "remote_url", "url": "https://host/b.pdf"}],
    }


def test_two_signs_stand_for_one() -> None:
    assert given([variable("t")], ("t", "@@handle")).values == {"t": "@handle"}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none.txt", "No such file or directory (a text that begins with @ is written @@)"),
        ("binary", "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_of_its_input(path: str, why: str) -> None:
    [problem] = given([variable("t")], ("t", f"@{path}")).problems

    assert problem.startswith(f"input 't' cannot be read from {path}: ")
    assert why in problem


def test_only_a_list_of_files_is_given_several_times() -> None:
    assert given([variable("t")], ("t", "a"), ("t", "b")).problems == ["input 't' is given 2 times"]
    many = [("l", f"@{number}") for number in range(3)]
    assert given([variable("l", "file-list", max_length=2)], *many).problems == [
        "input 'l' has 3 files, expected at most 2"
    ]


def test_a_document_is_what_the_api_takes_and_single_inputs_win_over_it() -> None:
    variables = [variable("t"), variable("n", "number"), variable("o", "json_object"), variable("c", "checkbox")]

    found = given(variables, ("t", "mine"), t="theirs", n="3", o={"a": 1}, c=1)

    assert found.values == {"t": "mine", "n": 3, "o": {"a": 1}, "c": 1}
    assert given(variables, t=3).problems == ["input 't' is 3, expected a text"]
    assert given(variables, n=True).problems == ["input 'n' is true, expected a number"]
    assert given([variable("f", "file")], f="x").problems[0].startswith("input 'f' is a file: give it as -i")


def test_null_in_a_document_is_no_value() -> None:
    found = given([variable("名", required=True), variable("n", "number")], 名=None, n=None)

    assert (found.values, found.problems) == ({}, ["missing input: 名 (text)"])


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("plain", "plain"),
        ("日本", "日本"),
        ("two words", "'two words'"),
        ("it's", "'it'\"'\"'s'"),
        ("@all", "@@all"),
        ("$(id)", "'$(id)'"),
    ],
)
def test_an_example_that_is_offered_was_no_word_of_a_shell(option: str, word: str) -> None:
    wanted = variable("q", "select", required=True, options=(option,))

    example = given([wanted]).example

    assert example == f"-i q={word}"
    [_, pair] = shlex.split(example)
    assert given([wanted], ("q", pair.partition("=")[2])).values == {"q": option}
