"""Secrets in messages of programs, in all forms that libraries give them."""

import json
from urllib.parse import quote, quote_plus

import pytest

from jikko.masking import MASK, masked, masked_forms

SECRET = "a\"b\\c\n\\\\\n'/ 日🚑+x"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(json.dumps(SECRET))[3:-3],
        repr(SECRET)[1:-1],
        quote(SECRET),
        quote_plus(SECRET),
        quote(quote(SECRET, safe=""), safe="").lower(),
    ],
)
def test_each_form_of_a_secret_is_masked_and_nothing_beside_it(form: str) -> None:
    assert masked_forms(f"円 <{form}> a", [SECRET]) == f"円 <{MASK}> a"


@pytest.mark.parametrize("text", ["C:\\secret \\n 円", "see https://hooks.test/help", "abc"])
def test_a_text_without_the_secret_is_not_changed(text: str) -> None:
    assert masked_forms(text, ["https://hooks.test/T0/x", "\\n 日本", "abc"]) == text


@pytest.mark.parametrize("secrets", [["zoo", "円zoo5", "a-円zoo5-b"], ["a-円zoo5-b", "円zoo5", "zoo"]])
def test_of_a_secret_that_contains_another_nothing_stays(secrets: list[str]) -> None:
    assert masked("zoo: <a-円zoo5-b> <円zoo5>", secrets) == f"zoo: <{MASK}> <{MASK}>"


@pytest.mark.parametrize("place", [0, 1])
def test_of_secrets_that_begin_alike_nothing_stays(place: int) -> None:
    secrets = ["Bearer sk+AAAA/円BBBcccc=", "Bearer sk+ZZZZ/YYYYxxxxwwww="]
    assert masked(f"got <{secrets[place]}>", secrets) == f"got <{MASK}>"
    assert masked(f"got <{secrets[place]}>", secrets[::-1]) == f"got <{MASK}>"


@pytest.mark.parametrize(
    ("secret", "quoted", "left"),
    [
        ("sk-0123456789", "key sk-012…89 🔑", f"key {MASK} 🔑"),  # 13 characters: known by its first 6
        ("sk-0123456789", "key sk-01…89 🔑", "key sk-01…89 🔑"),
        ("sk-012345678", "key sk-012*** 🔑", f"key {MASK} 🔑"),
        ("sk-01234567", "key sk-0123**** 🔑", "key sk-0123**** 🔑"),  # 11 characters: known as a whole only
        ("sk-0123456789abcdef", "key sk-01234 🔑", f"key {MASK} 🔑"),
        ("sk-0123456789abcdef", "key sk-0123 🔑", "key sk-0123 🔑"),
    ],
)
def test_the_beginning_of_a_long_secret_is_masked_with_what_is_quoted_behind_it(
    secret: str, quoted: str, left: str
) -> None:
    assert masked(quoted, [secret]) == left


def test_a_secret_of_backslashes_takes_no_longer() -> None:
    assert masked_forms("\\" * 4000 + "y", ["\\" * 40 + "x"]) == "\\" * 4000 + "y"
