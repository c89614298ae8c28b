"""``make mutants``: which changes it makes, and that it makes them elsewhere."""

from pathlib import Path

import pytest
from scripts.copies import ROOT, Copy, Suite
from scripts.mutants import NEAREST, SOURCE, all_places, groups, nearest, sampled
from scripts.mutation import Mutant, places

CODE = '''
"""Says what it is."""

import logging
from typing import Final

log = logging.getLogger(__name__)
LIMIT: Final = 3
FIND = """
SELECT key FROM runs WHERE app = ? AND created_at < ? ORDER BY created_at DESC
"""


def find(names: list[str], kept: "dict[str, int]") -> int:
    """Finds it."""
    if len(names) > LIMIT:
        raise ValueError("There are too many names.")
    for name in names:
        if not name or name in kept:
            continue
        log.debug("found %s", name)
        kept.update(name=1)
        return kept["total"]
    return sum(sorted(kept.values(), reverse=True))
'''


def changes(text: str) -> set[str]:
    """The lines that the changes of a file put in, without blanks around them."""
    made = [place.mutant() for place in places("code.py", text)]
    added = [line for mutant in made if mutant is not None for line in mutant.diff.split("\n")[3:] if line[:1] == "+"]
    return {line[1:].strip() for line in added}


@pytest.mark.parametrize(
    "line",
    [
        "LIMIT: Final = 4",
        "SELECT key FROM runs WHERE app = ? OR created_at < ? ORDER BY created_at DESC",
        "SELECT key FROM runs WHERE app = ? AND created_at <= ? ORDER BY created_at DESC",
        "SELECT key FROM runs WHERE app = ? AND created_at < ? ORDER BY created_at",
        "if len(names) >= LIMIT:",
        "if False:",
        "if not name and name in kept:",
        "if name or name in kept:",
        "if not name or name not in kept:",
        "break",
        "pass",
        'return kept["XXtotal"]',
        "return sum(sorted(kept.values(), reverse=False))",
        "return sum(sorted(kept.values()))",
    ],
)
def test_it_makes_the_changes_of_a_tired_developer(line: str) -> None:
    assert line in changes(CODE)


def test_it_leaves_alone_what_is_for_the_reader() -> None:
    made = changes(CODE)
    for line in CODE.split("\n"):
        if any(part in line for part in ('"""Says', "import", '"""Finds', "ValueError", "log.debug", "def find")):
            assert line.strip() not in made
    assert not [line for line in made if "log.debug" in line or "XXThere" in line or "XXSays" in line]


def test_what_is_the_same_or_no_python_is_no_change() -> None:
    source = "for name in names:\n    continue\n"
    [place] = places("code.py", source)
    mutant = place.mutant()
    assert mutant is not None
    assert (mutant.path, mutant.line, mutant.text) == ("code.py", 2, "for name in names:\n    break\n")
    # A return outside of a function.
    assert [place.mutant() for place in places("code.py", "while x:\n    break\n")] == [None]


def test_a_seed_chooses_the_same_changes_again() -> None:
    found = all_places(f"{SOURCE}/outbound/redirects.py")

    one, again, other = (sampled(found, 5, seed) for seed in (1, 1, 2))

    assert one == again != other
    assert len({(mutant.path, mutant.diff) for mutant in one}) == 5


@pytest.mark.parametrize("folder", NEAREST)
def test_each_folder_that_is_changed_is_there_with_its_tests(folder: str) -> None:
    assert (ROOT / SOURCE / folder).is_dir()
    assert len(nearest(folder)) > len(NEAREST[folder])
    assert all(any(ROOT.glob(pattern)) for pattern in NEAREST[folder])


def test_changes_of_one_file_are_not_made_together() -> None:
    mutants = [Mutant(f"{name}.py", 1, "", "") for name in "aabbcdefghij"]

    made = groups(mutants)

    assert sorted(mutant.path for group in made for mutant in group) == sorted(mutant.path for mutant in mutants)
    assert all(len({mutant.path for mutant in group}) == len(group) <= 8 for group in made)


@pytest.mark.slow
def test_a_change_is_made_in_the_copy_and_undone_there(tmp_path: Path) -> None:
    path = f"{SOURCE}/concurrency/fair_queue.py"
    text = (ROOT / path).read_text("utf-8")
    copy = Copy(tmp_path / "copy")
    tests = copy.measured(["tests/concurrency/test_fair_queue.py"])
    told = {
        name: copy.outcome(Mutant(path, 1, changed, ""), tests if name != "hung" else Suite(tests.options, 0.5))
        for name, changed in {
            "noticed": f"{text}\nFairQueue = None\n",
            "survived": f"{text}\n# nothing else\n",
            "hung": f"{text}\nimport time\ntime.sleep(60)\n",
        }.items()
    }

    assert told == {name: name for name in told}
    assert copy.failing(tests) == []
    assert (ROOT / path).read_text("utf-8") == text


@pytest.mark.slow
def test_tests_that_fail_without_any_change_are_left_out_if_they_are_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Copy(tmp_path / "copy")
    few, many = (tmp_path / "copy" / "tests" / f"test_{name}.py" for name in ("few", "many"))
    few.write_text("def test_good():\n    pass\n\ndef test_bad():\n    raise ValueError\n")
    many.write_text("".join(f"def test_{number}():\n    raise ValueError\n" for number in range(9)))

    suite = copy.measured([f"tests/{few.name}"])

    assert copy.failing(suite) == []
    assert "left out, since it fails without any change: tests/test_few.py::test_bad" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="these fail already"):
        copy.measured([f"tests/{many.name}"])
