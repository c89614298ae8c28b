"""``make mutants`` and the page: its mutations, and their detection."""

import json
from pathlib import Path

import pytest
from scripts.copies import Copy
from scripts.mutation import Mutant
from scripts.page import ask_page, places_in

CODE = """
import { last } from './last.ts'
export type Kind = 'a' | 3
/** 休暇 🙂 */
export function Row({ items, open = false }: { items: Kind[]; open?: boolean }) {
  let found = 0
  for (const item of items.filter(one => one !== 'a')) {
    if (!item) continue
    switch (item) {
      case 3:
        break
    }
    found += Number(item)
    last.note(item, { at: found, '語': '🙂' })
  }
  const mark = <svg viewBox="0 0 9 9" />
  const shown = open ? (items.length ?? 7) : Math.max(found, 1)
  return <b className="row" title={'語'} tabIndex={0} hidden={found < 2 && open}>{shown}</b>
}
"""


@pytest.fixture(scope="module")
def changes(built: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The lines that the changes put in, without blanks around them."""
    assert (built / "package.json").is_file()
    folder = tmp_path_factory.mktemp("page")
    (folder / "row.tsx").write_text(CODE, encoding="utf-8")
    made = [place.mutant(folder) for place in places_in(folder, ["row.tsx"])]
    assert all(mutant.path == "row.tsx" and mutant.text != CODE for mutant in made)
    added = [line for mutant in made for line in mutant.diff.split("\n")[3:] if line[:1] == "+"]
    return {line[1:].strip() for line in added}


@pytest.mark.parametrize(
    "line",
    [
        "export function Row({ items, open = true }: { items: Kind[]; open?: boolean }) {",
        "let found = 1",
        "for (const item of items) {",
        "for (const item of items.filter(one => one === 'a')) {",
        "if (false) continue",
        "if (item) continue",
        "if (!item) break",
        "found -= Number(item)",
        ";",
        "last.note(item)",
        "last.note(item, { '語': '🙂' })",
        "last.note(item, { at: found })",
        "const shown = false ? (items.length ?? 7) : Math.max(found, 1)",
        "const shown = open ? (items.length) : Math.max(found, 1)",
        "const shown = open ? (items.length ?? 7) : Math.min(found, 1)",
        "const shown = open ? (items.length ?? 7) : Math.max(found)",
        """return <b className="row" title={'語'} tabIndex={0} hidden={found <= 2 && open}>{shown}</b>""",
        """return <b className="row" title={'語'} tabIndex={0} hidden={found < 2 || open}>{shown}</b>""",
        """return <b className="row" title={'語'} tabIndex={0} >{shown}</b>""",
        """return <b className="row"  tabIndex={0} hidden={found < 2 && open}>{shown}</b>""",
    ],
)
def test_it_makes_the_changes_of_a_tired_developer(changes: set[str], line: str) -> None:
    assert line in changes


def test_it_leaves_alone_types_imports_and_looks(changes: set[str]) -> None:
    for part in ("import", "export type", "/**", "tabIndex={1}", "<b title", "<svg"):
        assert [line for line in changes if part in line] == []
    assert all('className="row"' in line for line in changes if line.startswith("return"))


def test_a_change_is_noticed_by_the_tests_that_import_it_or_by_its_types(built: Path, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    folder, code = copy.folder / "console" / "src", "export const said = (one: number): number => one + 1\n"
    # The types and the set-up of all the page are checked elsewhere; here they would take half of the time.
    file = copy.folder / "console" / "tsconfig.json"
    options = json.loads(file.read_text())["compilerOptions"] | {"types": [], "lib": ["ES2022"]}
    file.write_text(json.dumps({"compilerOptions": options, "include": ["src/said.ts", "src/asks.ts"]}))
    (copy.folder / "console" / "vite.config.ts").write_text("export default {}")
    (folder / "said.ts").write_text(code)
    (folder / "asks.ts").write_text("export { said } from './said.ts'\n")
    test = "import { expect, test } from 'vitest'\nimport { said } from './asks.ts'\n"
    (folder / "asks.test.ts").write_text(f"{test}test('it', () => expect(said(1)).toBe(2))\n")

    def outcome(text: str) -> str:
        return ask_page(copy, Mutant("console/src/said.ts", 1, text, "")).outcome

    assert outcome(code.replace("+", "-")) == "noticed"
    assert outcome(code.replace("number =>", "string =>")) == "noticed"
    assert outcome(code.replace("one + 1", "1 + one")) == "survived"
    assert (folder / "said.ts").read_text() == code
