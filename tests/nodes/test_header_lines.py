"""Headers of HTTP Request nodes: variables cannot add header lines."""

import pytest

from tests.nodes.http_bench import START, Bench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("template", ["X-A: {{#start.evil#}}", "X-A: b{{#start.evil#}}", "X-A: {{#start.evil#}}\n"])
async def test_what_a_variable_holds_makes_no_further_header(
    monkeypatch: pytest.MonkeyPatch, template: str, line_break: str
) -> None:
    monkeypatch.setitem(START, "evil", f"a{line_break}Host: evil.test{line_break}X-Evil: 1")
    bench = Bench(headers=template)

    ((name, value),) = (await bench.sent()).headers

    assert name == "X-A"
    assert value.endswith("a Host: evil.test X-Evil: 1")
    assert "\r\nHost: evil" not in await bench.recorded()


async def test_nor_does_it_in_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(START, "evil", "X-A: 1\nHost: evil.test")

    assert (await Bench(headers="{{#start.evil#}}: v").sent()).headers == (("X-A: 1 Host: evil.test", "v"),)
    assert (await Bench(headers="{{#start.evil#}} v").sent()).headers == (("X-A", "1 Host: evil.test v"),)


async def test_a_line_that_is_nothing_but_a_reference_may_hold_several() -> None:
    sent = await Bench(headers="X-Zero: 0\n {{#start.lines#}} \n{{#start.none#}}{{#start.none#}}").sent()

    assert sent.headers == (("X-Zero", "0"), ("one", ""), ("X-Two", "two"))
