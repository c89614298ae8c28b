"""Examples of JSON in prompts."""

import json

import pytest

from jikko.lang.json_examples import json_example

FENCED = '返回 JSON 格式。\n```json\n{"名": ["花子 🍵"]}\n```\n'
ANNOUNCED = 'Reply in json, such as:\n{"score": 3}\nThanks.'
PLACEHOLDERS = '以JSON格式返回，返回示例如下：\n{\n "top": (上联; type: string),\n "n": <number>\n}\nAnswer:'


@pytest.mark.parametrize(
    ("prompt", "example"),
    [
        (FENCED, {"名": ["花子 🍵"]}),
        (ANNOUNCED, {"score": 3}),
        (f"First as JSON:\n[1]\nThen:\n{FENCED}", {"名": ["花子 🍵"]}),
        (f"{ANNOUNCED}\nThe data:\n{{broken", {"score": 3}),
    ],
)
def test_the_last_example_is_taken_from_a_fence_or_below_a_colon(prompt: str, example: object) -> None:
    assert json.loads(json_example(prompt)) == example


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Say:\n[1]",
        'Repeat {"a": 1} as JSON.',
        PLACEHOLDERS,
        "JSON:\n{}",
        "JSON:\n" + "[" * 100_000,
        "JSON:\n" * 10_000 + "{" * 10,
    ],
)
def test_without_one_there_is_none(prompt: str) -> None:
    assert json_example(prompt) == ""


def test_placeholders_become_texts_where_that_is_wanted() -> None:
    found = json.loads(json_example(PLACEHOLDERS, repair=True))
    assert found == {"top": "(上联; type: string)", "n": "<number>"}
    assert json_example("JSON:\n" + "{" * 50_000, repair=True) == ""
    assert json_example('JSON:\n{"a": ' + "[" * 400 + "<x>" + "]" * 400 + "}", repair=True) == ""
