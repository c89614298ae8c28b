"""Corrupted test files: problems are reported, and nothing else happens."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from jikko.proving.case_plan import read_plan

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted((ROOT / "examples").glob("*.test.yml"))
MORE: Final = {
    "mocks": {"Score": [{"outputs": {}, "times": 1, "delay": 0.1, "branch": ""}]},
    "models": [{"node": "Score", "prompt": {"contains": "a"}, "answer": "x", "tool_calls": [{"name": "a"}]}],
    "http": [{"url": {"matches": "a"}, "json": {}}],
    "knowledge": [{"passages": [{"content": "x"}]}],
    "forms": {"Score": "timeout"},
    "env": {},
    "defaults": {"clock": "2026-11-30T09:00:00+09:00"},
}
ODD: Final[list[Any]] = [
    *(None, True, 0, -1, 7.5, 1e308, 10**30, "", "実行 🚑", "\ue000", "$row.x", [], {}, [1], {"a": 1}, ["x", ["y"]]),
    *({"near": "x"}, {"one_of": 3}, {"length": {"near": []}}, {"matches": "("}, {"schema": 3}, {"within": 1}),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in entries:
        yield from paths(each, (*path, key))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_spoilt_test_file_has_problems_with_lines_and_nothing_else(file: Path, tmp_path: Path) -> None:
    whole = {**MORE, **yaml.safe_load(file.read_text(encoding="utf-8"))}
    workflow = ROOT / "examples" / file.name.replace(".test.yml", ".yml")
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")
    for number in range(60):
        spoilt = copy.deepcopy({**whole, "workflow": str(workflow)})
        place: Any = spoilt
        path = chance.choice([each for each in paths(whole) if each])
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = copy.deepcopy(chance.choice(ODD))
        written = tmp_path / f"{number}.test.yml"
        written.write_text(json.dumps(spoilt), encoding="utf-8")

        read = read_plan(written)

        assert (read.plan is None) == bool(read.problems)
        assert all(problem.line for problem in read.problems), spoilt
