"""Texts with code and formulas: in colours and drawn, by libraries that are loaded only with them."""

import json
from pathlib import Path

import yaml
from playwright.sync_api import ConsoleMessage, Page, Request, expect

from tests.acceptance.workflows import app, end, python, start
from tests.console.album import keep
from tests.console.apps import HOSTILE
from tests.console.conftest import ROOT, SMALL, Site, Visit

TEXT = (
    r"""The offer costs $5 and $6, says `$HOME`; \(E = mc^2\) 日本 🙂 PRIVATE.

```python
def main(q: str) -> dict:
    # 割引 🍓
    return {"price": 0.5, "html": "<b>&amp;</b>"}
```

```json
{"名前": "価格", "items": [1, null]}
```

1. In a list:
   ```sh
   curl -H "Accept: */*" http://localhost | head -n 1
   ```

$$
\begin{align*}
\frac{a_1 + b}{2} &= \sqrt{\frac{1}{x}} \\
\sum_{i=1}^{n} i &= \text{面積}
\end{align*}
$$

\[ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt\pi}{2} \quad \boxed{x} \quad \ce{H2O} \]

Wrong: \(\frac{1\), trusted: \(\href{javascript:document.title='taken'}{x}\)
""".replace("PRIVATE", "\ue000")
    + f"{HOSTILE}\n\n```html\n{HOSTILE}\n```\n"
)
LONG = (
    "\n```python\n" + "x = None  # 日本🙂\n" * 30_000 + "```\n\n" + r"so \(x\) and $$y$$ 🙂 " * 30_000 + "\n\nthe end"
)
"""More than a million characters."""


SMALL_TABLE = r"\begin{pmatrix}" + r" \\ ".join([" & ".join("a" * 20)] * 20) + r"\end{pmatrix}"
HUGE_TABLE = r"\begin{matrix}" + "&" * 900 + r"\\ " * 300 + r"\end{matrix}"
AS_WRITTEN = [
    r"\def\a{" + "y" * 600 + "}" + r"\a" * 150,
    "y" * 2_001,
    r"\pu{" + "1" * 2_000 + "}",
    HUGE_TABLE,
    r"x\hspace{-1000em}y",
    r"x\kern-1000em y",
    r"x\hskip-99in y",
    r"\raisebox{-1000em}{日本}",
    r"\lower1000em{x}",
    r"\begin{matrix}x\kern-100em\end{matrix}",
]


def said(site: Site, text: str) -> dict[str, str]:
    """A turn that answers with a text. Returns the ids of its app, conversation and run."""
    [talks] = [one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Talks"]
    turn = site.api("POST", f"apps/{talks}/messages", json={"query": text, "inputs": {}}).json()
    site.wait(turn["run_id"])
    return {"app": talks, **turn}


def libraries(page: Page) -> set[str]:
    """The names of the libraries that a page asks for from now on."""
    asked: set[str] = set()

    def note(request: Request) -> None:
        name = request.url.rpartition("/")[2].partition("-")[0]
        if name in ("highlight", "temml"):
            asked.add(name)

    page.on("request", note)
    return asked


def test_code_is_coloured_and_formulas_are_drawn(site: Site, visit: Visit, axe: str) -> None:
    page, refused = visit(None), list[str]()

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    page.on("console", note)
    page.goto(f"{site.url}/runs/{said(site, TEXT)['run_id']}?view=answer")
    answer = page.locator(".answer")
    code = answer.locator("pre.code")
    expect(code.locator(".w").get_by_text("def", exact=True)).to_be_visible()
    assert code.nth(0).text_content() == TEXT.partition("python\n")[2].partition("\n```")[0]
    expect(code.nth(2)).to_have_text('curl -H "Accept: */*" http://localhost | head -n 1')
    assert code.nth(3).text_content() == HOSTILE
    ink, word = (
        where.evaluate("one => getComputedStyle(one).color") for where in (code.first, code.locator(".w").first)
    )
    assert ink != word

    expect(answer).to_contain_text("The offer costs $5 and $6, says $HOME;")
    expect(answer.locator("math")).to_have_count(3)
    expect(answer.locator(".formula")).to_have_count(2)
    expect(answer.locator("mtr")).to_have_count(2)
    over, under = (answer.locator(f"mfrac >> nth=0 >> *:nth-match(:scope > *, {n})").bounding_box() for n in (1, 2))
    assert over
    assert under
    assert over["y"] + over["height"] <= under["y"] + 1, "a fraction, one above the other"
    expect(answer).to_contain_text(r"Wrong: \(\frac{1\), trusted: \(\href{javascript:document.title='taken'}{x}\)")
    expect(answer.locator("a, img, script, [id]")).to_have_count(0)
    assert "taken" not in page.title()
    keep(page, "written", axe)
    page.set_viewport_size(SMALL)
    assert page.locator(".pane").evaluate("pane => pane.scrollWidth <= pane.clientWidth")
    assert refused == []


def test_formulas_that_freeze_the_page_or_move_its_text_are_not_drawn(site: Site, visit: Visit) -> None:
    written = [f"$${tex}$$" for tex in AS_WRITTEN]
    inline = [
        r"Before \(\leq x\) after",
        r"Before \(\hspace{-9em}x\) after",
        r"Before \(" + r"\hspace{-9em}" * 20 + r"x\) after",
        r"Before \(\rlap{" + "y" * 500 + r"}\) after",
    ]
    text = "\n\n".join([*inline, f"$${SMALL_TABLE}$$", *written, "the end"])
    turn = said(site, text)
    answer = visit(f"/chat/{turn['app']}/{turn['conversation_id']}").locator("article.a .text")
    expect(answer.locator(".formula mtd")).to_have_count(400)
    expect(answer.locator("math")).to_have_count(len(inline) + 1)
    shown = answer.locator(".formula:not(:has(math))")
    assert shown.all_text_contents() == written
    for one in answer.locator("p:has(math)").all():
        before, formula, after = one.evaluate(
            """one => {
                const range = document.createRange()
                const box = node => node.nodeType === 1 ? node : (range.selectNode(node), range)
                return [...one.childNodes].map(node => box(node).getBoundingClientRect().toJSON())
            }"""
        )
        assert before["right"] <= formula["left"] + 1, "nothing is drawn over what stands before"
        assert formula["right"] <= after["left"] + 1, "the text goes on after its formula"
        assert abs(before["bottom"] - after["bottom"]) < 1, "on the same line"
        assert one.locator("span:has(> math)").evaluate("one => getComputedStyle(one).overflow") == "clip"
    expect(answer.locator("p").last).to_have_text("the end")


def test_libraries_are_loaded_with_the_first_text_that_has_a_block(site: Site, visit: Visit) -> None:
    plain, rich = (said(site, text)["run_id"] for text in ("costs $5 and $6\n\n```\nno language\n```", TEXT))
    page = visit(None, fresh=True)
    asked = libraries(page)
    page.goto(f"{site.url}/runs/{plain}?view=answer")
    expect(page.locator(".answer pre.code")).to_have_text("no language")
    assert asked == set()
    page.goto(f"{site.url}/runs/{rich}?view=answer")
    expect(page.locator(".answer math").first).to_be_visible()
    expect(page.locator(".answer .w").first).to_be_visible()
    assert asked == {"highlight", "temml"}


def test_without_the_libraries_a_text_is_as_it_was_written(site: Site, visit: Visit) -> None:
    run = said(site, TEXT)["run_id"]
    page = visit(None, fresh=True)
    page.route("**/assets/highlight-*", lambda route: route.abort())
    page.route("**/assets/temml-*", lambda route: route.abort())
    page.goto(f"{site.url}/runs/{run}?view=answer")
    expect(page.locator(".answer")).to_contain_text(r"\(E = mc^2\)")
    expect(page.locator(".answer pre.code").first).to_contain_text("def main")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_million_characters_are_shown_as_they_are(site: Site, visit: Visit) -> None:
    turn = said(site, LONG)
    page = visit(None, fresh=True)
    asked = libraries(page)
    page.goto(f"{site.url}/chat/{turn['app']}/{turn['conversation_id']}")
    answer = page.locator("article.a .text")
    expect(answer.locator("p").last).to_have_text("the end")
    assert answer.locator("pre.code").text_content() == ("x = None  # 日本🙂\n" * 30_000)[:-1]
    assert asked == set()


def test_the_lines_of_a_step_have_its_code_in_colours(site: Site, visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "support-triage.yml"
    file.write_bytes((ROOT / "examples" / "support-triage.yml").read_bytes())
    [entry] = site.command.json("apps", "import", file)
    page = visit(f"/w/{entry['app_id']}?node=score", size=SMALL, locale="ja-JP")
    source = page.locator("pre.numbered")
    expect(source.locator(".w").get_by_text("return", exact=True)).to_be_visible()
    expect(source.locator(".s").get_by_text("python3", exact=True)).to_be_visible()
    lines = (
        file.read_text(encoding="utf-8").partition("    - id: score\n")[2].partition("    - id: route")[0].splitlines()
    )
    expect(source.locator(":scope > span")).to_have_count(len(lines) + 1)
    expect(source.locator(":scope > span").last).to_contain_text(lines[-1].strip())


def test_code_between_quotes_is_shown_as_it_runs(site: Site, visit: Visit, tmp_path: Path, axe: str) -> None:
    """As files come that Dify has exported."""
    code = "\ndef main(q: str) -> dict:\n    # \"割引\" 🍓 \\d\n\n    return {'text': q + ' " + "long " * 30 + "'}\n"
    judge = python("judge", code, {"text": "string"}, q="start.q")
    content = json.loads(app("Quoted", [start("q"), judge, end(text="judge.text")], "start>judge>end"))
    file = tmp_path / "quoted.yml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    [entry] = site.command.json("apps", "import", file)
    page = visit(f"/w/{entry['app_id']}?node=judge")
    shown = page.locator("pre.numbered").first
    expect(shown.locator(".w").get_by_text("return", exact=True)).to_be_visible()
    assert shown.text_content() == code
    expect(page.get_by_role("button", name="Copy the code")).to_be_visible()
    keep(page, "quoted", axe)
