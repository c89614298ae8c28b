"""The measure itself: it tells what is in proportion from what is not. And the patience of tests with their servers."""

import ast
import re
from pathlib import Path

import pytest

from tests.effort import growth

TESTS = Path(__file__).parent
ASKS = re.compile(r"\bhttpx\.(get|post|put|patch|delete|head|options|request|stream|Client|AsyncClient)\b")
SAID = {"timeout", "transport"}
"""What has a time of its own, and what goes over no socket."""


def in_proportion(count: int) -> int:
    return sum(range(count))


def with_the_square(count: int) -> int:
    return sum(sum(range(count)) for _ in range(count // 200))


def test_what_is_in_proportion_grows_as_its_size_and_what_is_not_grows_faster() -> None:
    assert growth(in_proportion, 100_000) < 50 < growth(with_the_square, 2_000)


@pytest.mark.once
def test_no_test_gives_a_server_only_the_five_seconds_that_httpx_does_by_itself() -> None:
    hasty = []
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text("utf-8")
        if not ASKS.search(text):
            continue
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and ASKS.fullmatch(ast.unparse(call.func)):
                named = {keyword.arg for keyword in call.keywords}
                if not SAID & named and None not in named:
                    hasty.append(f"{path.relative_to(TESTS)}:{call.lineno}: {ast.unparse(call)[:80]}")
    assert hasty == [], "add timeout=PATIENCE"
