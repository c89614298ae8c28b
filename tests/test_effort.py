"""The measure itself: it tells what is in proportion from what is not. And the patience of tests with their servers."""

import ast
import re
from pathlib import Path

import pytest

from tests.effort import growth, no_garbage_collector

TESTS = Path(__file__).parent
ASKS = re.compile(r"\bhttpx\.(get|post|put|patch|delete|head|options|request|stream|Client|AsyncClient)\b")
SAID = ({"timeout", "transport"}, {"verify", "transport"})
"""What has a time of its own and whom to trust, or goes over no socket."""


def in_proportion(count: int) -> int:
    return sum(range(count))


def with_the_square(count: int) -> int:
    return sum(sum(range(count)) for _ in range(count // 200))


def test_what_is_in_proportion_grows_as_its_size_and_what_is_not_grows_faster() -> None:
    assert growth(in_proportion, 100_000) < 50 < growth(with_the_square, 2_000)


@pytest.mark.once
def test_no_test_gives_a_server_the_five_seconds_of_httpx_or_has_it_read_all_authorities_again() -> None:
    hasty = []
    with no_garbage_collector():
        for path in sorted(TESTS.rglob("*.py")):
            text = path.read_text("utf-8")
            if ASKS.search(text) or "from httpx import" in text:
                hasty += [f"{path.relative_to(TESTS)}:{line}" for line in hasty_lines(text)]
    assert hasty == [], "add verify=trusted() and timeout=PATIENCE (tests/effort.py), and name httpx where it is called"


def hasty_lines(text: str) -> list[str]:
    """Of a program: lines that call httpx, or hand a function of it on, without a time or what it trusts."""
    tree = list(ast.walk(ast.parse(text)))
    found: list[ast.expr | ast.stmt] = [
        node for node in tree if isinstance(node, ast.ImportFrom) and node.module == "httpx"
    ]
    calls = (node for node in tree if isinstance(node, ast.Call))
    asking = (call for call in calls if any(ASKS.fullmatch(ast.unparse(each)) for each in (call.func, *call.args)))
    for call in asking:
        said = {keyword.arg for keyword in call.keywords}
        found += [call] * (not all(said & needed for needed in SAID))
    return [f"{node.lineno}: {ast.unparse(node)[:80]}" for node in found]


@pytest.mark.parametrize(
    "line",
    [
        "httpx.post(url)",
        "httpx.get(url, **more)",
        "partial(httpx.post, url)",
        "from httpx import get",
        "httpx.get(url, timeout=60)",
        "httpx.get(url, verify=False)",
    ],
)
def test_a_request_without_a_time_is_seen(line: str) -> None:
    assert len(hasty_lines(f"{line}\nhttpx.post(url, verify=trusted(), timeout=60)\n")) == 1
