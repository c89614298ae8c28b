"""Secrets in messages of programs, in all forms that libraries give them."""

import json
from urllib.parse import quote, quote_plus

import pytest

from jikko.masking import MASK, masked_forms

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


def test_a_secret_of_backslashes_takes_no_longer() -> None:
    assert masked_forms("\\" * 4000 + "y", ["\\" * 40 + "x"]) == "\\" * 4000 + "y"
