"""Static analysis of code nodes' programs."""

from typing import Any

import pytest

from jikko.forecast.node_checks import diagnose_javascript
from jikko.forecast.python_code import diagnose_python
from jikko.sandbox.languages.stdlib import offers

MAIN = "def main():\n    return {}\n"

PYTHON: dict[str, tuple[str, list[tuple[str, bool]]]] = {
    # The program, and the modules that are told with whether they are certain to be imported.
    "several in a line": ("import pandas as pd, json, numpy\n" + MAIN, [("pandas", True), ("numpy", True)]),
    "a name from a module": ("from sympy.core import Symbol\n" + MAIN, [("sympy", True)]),
    "everything from a module": ("from aiohttp import *\n", [("aiohttp", True)]),
    "one that main imports": ("def main():\n    import jieba\n", [("jieba", True)]),
    "one that another function imports": ("def f():\n    import jieba\n" + MAIN, [("jieba", False)]),
    "one in a branch": ("if 1:\n    import jieba\n" + MAIN, [("jieba", False)]),
    "one in a class": ("class A:\n    import jieba\n" + MAIN, [("jieba", True)]),
    "one that is done without": ("try:\n    import jieba\nexcept (ImportError, OSError):\n    pass\n" + MAIN, []),
    "one whose failure is not what is caught": (
        "try:\n    import jieba\nexcept ValueError:\n    pass\n" + MAIN,
        [("jieba", False)],
    ),
    "one instead of another": (
        "try:\n    import orjson\nexcept:\n    import ujson\n" + MAIN,
        [("ujson", False)],
    ),
    "the same twice": ("import numpy\nimport numpy.linalg\n" + MAIN, [("numpy", True)]),
    "one that is there from the start": ("import requests, httpx, json_repair\n" + MAIN, []),
    "those that programs have no use for": (
        "import tkinter, turtle, antigravity, json\n" + MAIN,
        [("tkinter", True), ("turtle", True), ("antigravity", True)],
    ),
    "a text that looks like one": ("x = '''\nimport numpy\n'''\n# import pandas\n" + MAIN, []),
    "one within a package that there is not": ("from . import a\n" + MAIN, []),
    "a name in Japanese": ("import 日本\n" + MAIN, [("日本", True)]),
}


@pytest.mark.parametrize("name", PYTHON)
def test_modules_that_python_programs_cannot_have(name: str) -> None:
    code, expected = PYTHON[name]
    found = [diagnostic for diagnostic in diagnose_python(code, "code", offers) if diagnostic.cause == "import"]
    assert [(diagnostic.text().split("'")[1], diagnostic.severity == "will_fail") for diagnostic in found] == expected


def test_the_line_of_an_import_is_told() -> None:
    [diagnostic] = diagnose_python("import json\n\nimport numpy\n" + MAIN, "code", offers)
    assert "(line 3 of the code)" in diagnostic.text()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param("return {'r': q + '。' + 題}", [2], id="added"),
        pytest.param("x = 1\n    return {'r': 題.strip() or 題[0]}", [3], id="with attributes and items"),
        pytest.param("return {'r': q + (題 or '')}", [], id="replaced"),
        pytest.param("if 題:\n        q += 題\n    return {'r': q}", [], id="tested"),
        pytest.param("題 = str(題)\n    return {'r': 題.strip()}", [], id="set again"),
        pytest.param(
            "try:\n        q += 題\n    except TypeError:\n        pass\n    return {'r': q}", [], id="caught"
        ),
        pytest.param("return {'r': f'{題}' + '%s' % 題}", [], id="formatted"),
        pytest.param("return {'r': [c for c in q if 題 is None or c in 題.lower()]}", [], id="tested before"),
        pytest.param("match 題:\n        case None: return {}\n    return {'r': 題.strip()}", [], id="matched"),
        pytest.param("return {'r': dict(x=題), 's': 題.strip()}", [], id="passed on by name"),
        pytest.param("return {'r': (lambda 題: 題.strip())(q)}", [], id="another of the name"),
        pytest.param("with suppress(Exception):\n        q = 題.strip()\n    return {'r': q}", [], id="suppressed"),
    ],
)
def test_an_argument_that_may_be_null_is_reported_where_the_program_needs_a_value(body: str, lines: list[int]) -> None:
    found = list(diagnose_python(f"def main(q, 題):\n    {body}\n", "code", offers, ["q", "題"], ["題"]))

    assert [(one.severity, one.params) for one in found] == [("may_fail", {"name": "題", "line": n}) for n in lines]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param("if not q: return {'error': '空'}\n    return {'題': q, '茶🍵': 1}", (2, "題"), id="an error"),
        pytest.param(
            "try:\n        return {'題': q, '茶🍵': 1}\n    except E:\n        return f'{q}?'", (5, "題"), id="text"
        ),
        pytest.param("return", (2, "題"), id="nothing"),
        pytest.param("return {'題': q, **q}", None, id="a rest that a run knows"),
        pytest.param(
            "def f():\n        return {}\n    return {'題': f(), '茶🍵': 1, 'more': 2}", None, id="of another"
        ),
        pytest.param("r = {}\n    return r or {q: 1}", None, id="a value of a name"),
    ],
)
def test_a_return_without_a_declared_output_is_reported(body: str, found: tuple[int, str] | None) -> None:
    code = f"def main(q):\n    {body}\n"

    reported = list(diagnose_python(code, "code", offers, ["q"], outputs=["題", "茶🍵"]))

    expected = [] if found is None else [("may_fail", {"line": found[0], "name": repr(found[1])})]
    assert [(one.severity, one.params) for one in reported] == expected


@pytest.mark.parametrize(
    "code",
    ["def main(:", "return 1", "x = '\\ud800'\x00", "(" * 1000, "x = " + "-" * 100_000 + "1", "if 1:\n\tx\n    y"],
)
def test_a_text_that_is_no_python_is_told_and_no_error(code: str) -> None:
    [diagnostic] = diagnose_python(code, "code", offers)
    assert (diagnostic.cause, diagnostic.severity == "will_fail") == ("code", True)


@pytest.mark.parametrize(
    "code",
    [MAIN, "main = lambda: {}", "async def main(): pass", "from json import dumps as main", "exec('def main(): 0')"],
)
def test_a_program_may_come_by_its_main_in_any_way(code: str) -> None:
    assert list(diagnose_python(code, "code", offers)) == []


def test_a_long_program_is_read_once() -> None:
    code = "".join(f"import m{number}\n" for number in range(20_000)) + MAIN
    assert len(list(diagnose_python(code, "code", lambda _: False))) == 10


JAVASCRIPT: dict[str, tuple[str, list[tuple[str, bool]]]] = {
    "require": ("const a = require('axios'), b = require(\"fs\");", [("axios", True), ("fs", True)]),
    "import": ("import a from 'a';\nimport {b as c} from \"b\";\nimport 'c'", [("a", True), ("b", True), ("c", True)]),
    "caught": ("try { require('axios') } catch (e) {}", [("axios", False)]),
    "a require of its own": ("function require(x) {}\nrequire('a')", [("a", False)]),
    "a method": ("x.require('a'); requires('b');", []),
    "comments": ("// require('a')\n/* require('b') */ // it's", []),
    "texts": ("const t = \"require('a')\" + `import x from 'b'`;", []),
    "an import that is a call": ("const f = (x) => import.meta;", []),
}


@pytest.mark.parametrize("name", JAVASCRIPT)
def test_modules_that_javascript_programs_ask_for(name: str) -> None:
    code, expected = JAVASCRIPT[name]
    found = list(diagnose_javascript(code, "code"))
    assert [(diagnostic.text().split("'")[1], diagnostic.severity == "will_fail") for diagnostic in found] == expected


MAINS: dict[str, tuple[str, tuple[str, ...]]] = {
    # The program, and the variables that main is called with.
    "one that it lacks": ("def main(titles, n=1):\n    return {}\n", ("n",)),
    "two that it lacks": ("def main(a, b, c=None):\n    return {}\n", ("c",)),
    "three that it lacks": ("def main(名前, b: str, c, *rest):\n    return {}\n", ()),
    "one that is given by its name only": ("def main(*, a, b=2):\n    return {}\n", ("b",)),
    "one that it does not take": ("def main(a):\n    return {}\n", ("a", "日本")),
    "one of another name": ("def main(first):\n    return {}\n", ("frist",)),
    "none that it takes": ("import json\n\ndef main():\n    return {}\n", ("q",)),
}
TAKEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "all": ("def main(a, b=1, *, c=2):\n    return {}\n", ("a", "c")),
    "any": ("def main(a, **rest):\n    return {}\n", ("a", "x", "y")),
    "behind a decorator": ("def twice(f):\n    return lambda **x: {}\n\n@twice\ndef main(a):\n    pass\n", ()),
    "by another main": ("def main(a):\n    pass\n\nif True:\n    main = lambda **x: {}\n", ()),
    "by the second of two": ("def main(a):\n    pass\n\ndef main(b):\n    return {}\n", ("b",)),
    "by another in a branch": ("def main(a):\n    pass\n\nif True:\n    def main(b):\n        return {}\n", ("b",)),
    "with defaults that come later": ("def main(a):\n    pass\n\nmain.__defaults__ = (1,)\n", ()),
    "by another in a mapping": ("def main(a):\n    pass\n\nvars()['main'] = lambda: {}\n", ()),
    "by a name in a pattern": ("def main(a):\n    pass\n\nmatch dict:\n    case main:\n        pass\n", ("b",)),
    "by a class": ("def main(a):\n    pass\n\nclass main(dict):\n    pass\n", ()),
}


@pytest.mark.parametrize("name", [*MAINS, *TAKEN])
def test_what_main_is_called_with_is_compared_with_what_it_takes(name: str) -> None:
    code, given = {**MAINS, **TAKEN}[name]
    space: dict[str, Any] = {}
    exec(code, space)
    said = ""
    try:
        space["main"](**dict.fromkeys(given))
    except TypeError as error:
        said = str(error)

    found = [diagnostic.text() for diagnostic in diagnose_python(code, "code", offers, given)]

    assert (bool(said), bool(found)) == (name in MAINS, name in MAINS)
    # A newer Python adds what may have been meant.
    assert all(f"TypeError: {said}".startswith(what) for what in found)


def test_where_it_is_not_known_what_main_is_called_with_nothing_is_compared() -> None:
    assert list(diagnose_python(MAINS["none that it takes"][0], "code", offers)) == []
