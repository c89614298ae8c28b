# ruff: noqa: E501 (programs and their outcomes are kept on one line each)

"""Contract of sandboxes. See ``jikko.ports.sandbox``."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fork_servers_of_their_own")]


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE, output_bytes=1 << 20))
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def hasty(anyio_backend: str) -> AsyncIterator[Sandbox]:
    """One in which programs have little time, though as much of the processor as they like."""
    made = ForkServerSandbox(SandboxLimits(wall_seconds=0.5, cpu_seconds=600))
    yield made
    await made.close()


async def failure(
    sandbox: Sandbox, language: str, code: str, arguments: dict[str, Json] | None = None
) -> SandboxFailure:
    with pytest.raises(SandboxFailure) as raised:
        await sandbox.run_code(language, code, arguments or {})
    return raised.value


async def test_a_python_main_gets_its_arguments_by_name(sandbox: Sandbox) -> None:
    code = "def main(b, a):\n    return {'r': f'{a}-{b}'}"

    assert await sandbox.run_code("python3", code, {"a": 1, "b": None}) == {"r": "1-None"}


async def test_a_javascript_main_gets_one_object(sandbox: Sandbox) -> None:
    code = "function main({a, b}) { return {r: `${a}-${b}`} }"

    assert await sandbox.run_code("javascript", code, {"a": 1, "b": None}) == {"r": "1-null"}


VALUES: list[Json] = [
    None, True, 0, -7, 2**62, 1.5, 1e300, "", "é😀\x00\n\"\\", [], {}, [1, [2, {"k": None}]], {"": {"a b": [False]}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_values_go_in_and_come_out_unchanged(sandbox: Sandbox, value: Json) -> None:
    python = await sandbox.run_code("python3", "def main(v):\n    return {'v': v}", {"v": value})
    assert python == {"v": value}
    assert type(python["v"]) is type(value)
    if value != 2**62:  # JavaScript has no integers of that size
        assert await sandbox.run_code("javascript", "const main = ({v}) => ({v})", {"v": value}) == {"v": value}


async def test_a_python_result_passes_through_json(sandbox: Sandbox) -> None:
    code = "def main():\n    return {'t': (1, 2), 3: True, None: 'n', 'e': 1e15}"

    assert await sandbox.run_code("python3", code, {}) == {"t": [1, 2], "3": True, "null": "n", "e": 1e15}


async def test_nan_and_infinities_come_out_of_python_and_go_in_as_null(sandbox: Sandbox) -> None:
    code = "def main(v):\n    return {'v': v, 'nan': float('nan'), 'inf': [float('inf'), -float('inf')]}"

    result = await sandbox.run_code("python3", code, {"v": [math.inf, -math.inf, math.nan, "NaN 🎉"]})

    assert result["v"] == [None, None, None, "NaN 🎉"]
    assert await sandbox.render("{{ v }}{{ v is none }}", {"v": math.nan}) == "NoneTrue"
    assert math.isnan(result["nan"])
    assert result["inf"] == [math.inf, -math.inf]


async def test_a_javascript_result_passes_through_json(sandbox: Sandbox) -> None:
    code = "function main({n}) { return {u: undefined, l: [undefined, 1], nan: NaN, d: new Date(0), f() {}, n} }"

    result = await sandbox.run_code("javascript", code, {"n": math.nan})

    assert result == {"l": [None, 1], "nan": None, "d": "1970-01-01T00:00:00.000Z", "n": None}


async def test_a_javascript_main_that_returns_a_promise_gives_an_empty_object(sandbox: Sandbox) -> None:
    assert await sandbox.run_code("javascript", "async function main() { await null; return {r: 1} }", {}) == {}


async def test_a_promise_that_is_rejected_is_an_error_with_its_line(sandbox: Sandbox) -> None:
    code = "async function main() {\n  await null;\n  throw new TypeError('late')\n}"

    assert str(await failure(sandbox, "javascript", code)) == "TypeError: late (line 3)"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python3", "import sys\ndef main():\n    print('x' * 100); print('y', file=sys.stderr); return {'r': 1}"),
        ("javascript", "function main() { console.log('x', {}); console.error(1); return {r: 1} }"),
    ],
)
async def test_what_a_program_prints_is_ignored(sandbox: Sandbox, language: str, code: str) -> None:
    assert await sandbox.run_code(language, code, {}) == {"r": 1}


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python3", "def main(): return [1]"),
        ("python3", "def main(): return None"),
        ("python3", "def main(): pass"),
        ("javascript", "function main() { return [1] }"),
        ("javascript", "function main() { return null }"),
        ("javascript", "function main() {}"),
        ("javascript", "function main() { return '{}' }"),
    ],
)
async def test_a_result_that_is_no_object_is_an_error_of_its_own_kind(
    sandbox: Sandbox, language: str, code: str
) -> None:
    error = await failure(sandbox, language, code)

    assert error.kind == "WorkflowNodeError"
    assert "must return" in str(error)


@pytest.mark.parametrize(
    ("language", "code", "message"),
    [
        ("python3", "def main():\n    x = 1\n    raise ValueError('boom x')", "ValueError: boom x (line 3)"),
        ("python3", "import json\n\ndef main():\n    json.loads('{')",
            "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) (line 4)"),
        ("python3", "class Mine(Exception): pass\ndef f(): raise Mine('a\\nb')\ndef main():\n    f()", "Mine: a\nb (line 2)"),
        ("python3", "def main():\n    return {'a': {}['kk']}", "KeyError: 'kk' (line 2)"),
        ("python3", "def main(:\n    pass", "SyntaxError: invalid syntax (line 1)"),
        ("python3", "def main():\n    x = 1\n  y = 2", "IndentationError: unindent does not match any outer indentation level (line 3)"),
        ("python3", "def main():\n    eval('1 +')", "SyntaxError: invalid syntax (line 2)"),
        ("python3", "x = 5", "NameError: name 'main' is not defined: the program must define a function main"),
        ("python3", "def main(): return {'d': {1, 2}}", "TypeError: Object of type set is not JSON serializable"),
        ("python3", "def main(): return {(1, 2): 1}", "TypeError: keys must be str, int, float, bool or None, not tuple"),
        ("python3", "def main(): return {'n': 10 ** 5000}", "ValueError: Exceeds the limit (4300 digits) for integer string conversion"),
        ("python3", "from json import nothing\ndef main(): pass", "ImportError: cannot import name 'nothing' from 'json' (line 1)"),
        ("javascript", "function main() {\n  throw new RangeError('boom x')\n}", "RangeError: boom x (line 2)"),
        ("javascript", "\nfunction main() { return null.x }", "TypeError: cannot read property 'x' of null (line 2)"),
        ("javascript", "\n\nfunction main() { return {r: JSON.parse('{')} }", "SyntaxError: "),
        ("javascript", "function main() {\n  return new URL('nowhere')\n}", "TypeError: Invalid URL (line 2)"),
        ("javascript", "function main() { return 1n }", "TypeError: "),
        ("javascript", "let x = 1;\nlet y = = 2;", "SyntaxError: unexpected token in expression: '=' (line 2)"),
        ("javascript", "let x = 1", "ReferenceError: main is not defined: the program must define a function main"),
        ("javascript", "function main() { throw 'plain' }", "plain"),
    ],
)  # fmt: skip
async def test_errors_say_what_and_where_in_the_program_s_own_terms(
    sandbox: Sandbox, language: str, code: str, message: str
) -> None:
    error = await failure(sandbox, language, code)

    assert error.kind == "CodeExecutionError"
    assert str(error).startswith(message), str(error)
    assert "/" not in str(error), "a path of ours"
    assert "jikko" not in str(error)


async def test_a_missing_parameter_is_an_error(sandbox: Sandbox) -> None:
    error = await failure(sandbox, "python3", "def main(a): return {}", {"a": 1, "b": 2})

    assert "main() got an unexpected keyword argument 'b'" in str(error)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("import aiohttp\ndef main(): pass", "HTTP Request node"),
        ("import numpy as np\ndef main(): pass", "`jikko packages install numpy` installs it"),
        ("def main():\n    import sklearn.svm", "`jikko packages install scikit-learn` installs it"),
        ("def main():\n    import torch", "it works with threads, and programs have none"),
        ("import tkinter\ndef main(): pass", "not available to programs"),
        ("def main():\n    import urllib.request\n    urllib.request.urlopen('http://example.com')", "HTTP Request node"),
        ("def main():\n    import socket\n    socket.socket()", "HTTP Request node"),
        ("def main():\n    import http.client\n    http.client.HTTPSConnection('example.com').request('GET', '/')", "HTTP Request node"),
        ("def main():\n    open('data.csv')", "Document Extractor node"),
        ("def main():\n    open('/tmp/out', 'w')", "Document Extractor node"),
        ("def main():\n    import pathlib\n    pathlib.Path('a').read_text()", "Document Extractor node"),
        ("def main():\n    import os\n    os.mkdir('a')", "Document Extractor node"),
        ("def main():\n    import tempfile\n    tempfile.TemporaryFile()", "Document Extractor node"),
        ("def main():\n    import threading\n    threading.Thread(target=print).start()", "cannot start threads"),
        ("def main():\n    from concurrent.futures import ThreadPoolExecutor\n    with ThreadPoolExecutor() as e: e.submit(print)",
            "cannot start threads"),
        ("import asyncio\ndef main():\n    asyncio.run(asyncio.to_thread(print))", "cannot start threads"),
        ("def main():\n    import subprocess\n    subprocess.run(['ls'])", "cannot start other processes"),
        ("def main():\n    import os\n    os.system('ls')", "cannot start other processes"),
        ("def main():\n    import multiprocessing\n    multiprocessing.Pool(2)", "cannot start other processes"),
        ("def main():\n    try: open('x')\n    except OSError as e: raise RuntimeError('no data') from e", "Document Extractor node"),
    ],
)  # fmt: skip
async def test_what_is_refused_in_python_names_the_node_to_use_instead(
    sandbox: Sandbox, code: str, advice: str
) -> None:
    error = await failure(sandbox, "python3", code)

    assert advice in str(error)
    assert error.kind == "CodeExecutionError"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("const axios = require('axios'); function main() {}", "HTTP Request node"),
        ("function main() { return require('node:https') }", "HTTP Request node"),
        ("function main() { return require('fs') }", "Document Extractor node"),
        ("function main() { return require('child_process') }", "cannot start other processes"),
        ("function main() { return require('lodash') }", 'require("lodash") is refused'),
        ("function main() { return fetch('http://example.com') }", "HTTP Request node"),
        ("import fs from 'fs';\nfunction main() {}", "no modules"),
    ],
)
async def test_what_is_refused_in_javascript_names_the_node_to_use_instead(
    sandbox: Sandbox, code: str, advice: str
) -> None:
    assert advice in str(await failure(sandbox, "javascript", code))


async def test_a_file_that_is_missing_can_be_handled_by_the_program(sandbox: Sandbox) -> None:
    code = "def main():\n    try: open('config.json')\n    except FileNotFoundError: return {'r': 'default'}"

    assert await sandbox.run_code("python3", code, {}) == {"r": "default"}


@pytest.mark.parametrize(
    ("language", "code", "limit"),
    [
        ("python3", "def main(): return {'r': bytearray(1 << 40)}", "memory limit of 256 MiB"),
        ("python3", "def main(): return {'r': 'x' * (1 << 20)}", "output limit of 1,048,576 bytes"),
        ("javascript", "function main() { return {r: 'x'.repeat(1 << 20)} }", "output limit of 1,048,576 bytes"),
    ],
)
async def test_a_broken_limit_is_named(sandbox: Sandbox, language: str, code: str, limit: str) -> None:
    error = await failure(sandbox, language, code)

    assert limit in str(error)
    assert error.kind == "SandboxLimitError"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python3", "def main(): return {'r': '界' * 340_000}"),
        ("javascript", "function main() { return {r: '界'.repeat(340_000)} }"),
    ],
)
async def test_the_output_limit_is_one_of_bytes_of_utf_8(sandbox: Sandbox, language: str, code: str) -> None:
    assert await sandbox.run_code(language, code, {}) == {"r": "界" * 340_000}


@pytest.mark.parametrize(
    ("language", "code"),
    [("python3", "def main():\n    while True: pass"), ("javascript", "function main() { for (;;) {} }")],
)
async def test_a_broken_limit_of_time_is_named(hasty: Sandbox, language: str, code: str) -> None:
    error = await failure(hasty, language, code)

    assert "wall time limit of 0.5 s" in str(error)
    assert error.kind == "SandboxLimitError"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python3", "def main():\n    x = []\n    while True: x.append(bytearray(1 << 16))"),
        ("python3", "def main():\n    x = {}\n    while True: x[len(x)] = str(len(x))"),
        ("javascript", "function main() { const x = []; for (;;) x.push(new Array(1000).fill(1)) }"),
        ("javascript", "function main() { const x = {}; for (let i = 0; ; i++) x['k' + i] = i }"),
        ("javascript", "function main() { const x = []; for (;;) x.push([...Array(10).keys()]) }"),
        (
            "template",
            "{% set n = namespace(s='a' * 1000) %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        ),
    ],
)
async def test_a_program_that_grows_without_end_is_told_its_memory_limit(language: str, code: str) -> None:
    roomy = ForkServerSandbox(SandboxLimits(memory_bytes=32 << 20, wall_seconds=PATIENCE))
    try:
        with pytest.raises(SandboxFailure) as raised:
            await (roomy.render(code, {}) if language == "template" else roomy.run_code(language, code, {}))
        assert str(raised.value) == "The run broke the memory limit of 32 MiB"
        assert raised.value.kind == "SandboxLimitError"
    finally:
        await roomy.close()


async def test_a_program_that_crashes_at_its_memory_limit_is_told_that_limit() -> None:
    code = """
import ctypes
def main():
    kept = bytearray(250 << 20)
    kept[::4096] = bytes(250 << 8)
    ctypes.string_at(0)
"""
    roomy = ForkServerSandbox(SandboxLimits(memory_bytes=256 << 20, wall_seconds=PATIENCE))
    try:
        with pytest.raises(SandboxFailure, match=r"^The run broke the memory limit of 256 MiB$"):
            await roomy.run_code("python3", code, {})
    finally:
        await roomy.close()


async def test_an_unknown_language_is_refused(sandbox: Sandbox) -> None:
    assert "No language 'ruby'" in str(await failure(sandbox, "ruby", ""))


async def test_a_template_is_rendered_as_jinja2_does(sandbox: Sandbox) -> None:
    template = "{{ a }} {{ o.k }} {{ o }} {{ l }} {{ t }} {{ n }} {{ missing }}|<b>{{ h }}</b>\n\n"
    variables = {"a": 1.0, "o": {"k": "v"}, "l": [1, "b"], "t": True, "n": None, "h": "<i>"}

    assert await sandbox.render(template, variables) == "1.0 v {'k': 'v'} [1, 'b'] True None |<b><i></b>\n"


async def test_a_template_renders_the_same_when_it_was_compiled_before(sandbox: Sandbox) -> None:
    for number in range(3):
        assert await sandbox.render("{{ a }}{% if a > 1 %}!{% endif %}", {"a": number}, app_id="app") == (
            f"{number}!" if number > 1 else f"{number}"
        )
    assert await sandbox.render("{{ a }}{% if a > 1 %}!{% endif %}", {"a": 5}, app_id="other app") == "5!"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{% if %}", "jinja2.exceptions.TemplateSyntaxError: Expected an expression, got 'end of statement block' (line 2)"),
        ("a\n\n{{ a.b.c }}", "jinja2.exceptions.UndefinedError: 'a' is undefined (line 3)"),
        ("\n{{ 1 / 0 }}", "ZeroDivisionError: division by zero (line 2)"),
        ("{{ 'x'|nope }}", "jinja2.exceptions.TemplateAssertionError: No filter named 'nope'. (line 1)"),
    ],
)  # fmt: skip
async def test_errors_of_templates_say_what_and_where(sandbox: Sandbox, template: str, message: str) -> None:
    for _ in range(2):  # the second time from the cache
        with pytest.raises(SandboxFailure) as raised:
            await sandbox.render(template, {}, app_id="app")
        assert str(raised.value) == message


async def test_calls_may_overlap(sandbox: Sandbox) -> None:
    code = "import time\ndef main(n):\n    time.sleep(0.01 * (n % 3))\n    return {'n': n}"

    results = await asyncio.gather(*(sandbox.run_code("python3", code, {"n": n}) for n in range(30)))

    assert results == [{"n": n} for n in range(30)]


async def test_nothing_of_one_run_is_seen_by_another(sandbox: Sandbox) -> None:
    code = "import math\ndef main():\n    seen = getattr(math, 'seen', 0)\n    math.seen = seen + 1\n    return {'seen': seen}"
    script = "function main() { const seen = globalThis.seen || 0; globalThis.seen = seen + 1; return {seen} }"

    for _ in range(8):
        assert await sandbox.run_code("python3", code, {}) == {"seen": 0}
        assert await sandbox.run_code("javascript", script, {}) == {"seen": 0}


async def test_a_closed_sandbox_refuses(anyio_backend: str) -> None:
    made = ForkServerSandbox()
    await made.run_code("python3", "def main(): return {}", {})

    await made.close()
    await made.close()

    with pytest.raises(SandboxFailure, match="closed") as raised:
        await made.run_code("python3", "def main(): return {}", {})
    assert raised.value.kind == "SandboxUnavailableError"
