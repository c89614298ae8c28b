"""The page about libraries: its examples run, and its lists are those of the program."""

from typing import Any

import pytest

from jikko.ports.sandbox import Sandbox
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.packages.known import why_refused
from tests.effort import PATIENCE
from tests.sandbox.clients.scene import Outside, json_answer
from tests.sandbox.packages.examples import PAGE, examples

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [number for number, one in enumerate(examples()) if not one.needs])
async def test_the_examples_that_need_no_package_run(number: int, anyio_backend: Any) -> None:
    example = examples()[number]
    sandbox: Sandbox = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    outside = Outside(lambda _: json_answer('["日本"]'))
    arguments = example.arguments or {"url": "https://h/"}
    try:
        result = await sandbox.run_code("python3", example.code, arguments, send=outside.send)
    finally:
        await sandbox.close()

    assert result == (example.result or {"status": 200, "found": ["日本"]})


def test_the_page_has_examples_with_and_without_packages() -> None:
    assert [bool(one.needs) for one in examples()] == [True, False, False, True]


def test_what_the_page_says_to_be_refused_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| starts threads", "| compiles", "| opens"))]
    named = [name for row in rows for name in row.split("|")[2].strip().split(", ")]

    assert len(named) > 10
    assert [name for name in named if why_refused(name) is None] == []
