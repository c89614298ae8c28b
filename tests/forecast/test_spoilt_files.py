"""Corrupted files: always reported, without exceptions or long analysis."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import yaml

from jikko.apps.dsl_file import is_test_file
from jikko.apps.environment import Outside
from jikko.apps.versions import check
from jikko.assemble.installation import installation_of
from jikko.cli.checking.check import report_of
from jikko.cli.checking.dsl_sources import DslSource
from jikko.forecast.description import describe
from jikko.nodes.registry import BY_TYPE
from jikko.settings import Settings

ROOT: Final = Path(__file__).parents[2]
FILES: Final = [
    *sorted(path for path in (ROOT / "examples").glob("*.yml") if not is_test_file(path)),
    *sorted((ROOT / "tests" / "compat" / "recordings" / "dsl").glob("*.yml"))[::6],
    *sorted((ROOT / "tests" / "forecast" / "samples").glob("*.yml"))[::8],
]
SPOILT: Final = 40
"""Of each file."""
ODD: Final[list[Any]] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        7.5,
        1e308,
        10**30,
        "",
        " ",
        "\0",
        "\ud800",
        "x" * 70_000,
        "名前 🙂",
        "{{#",
        "{{#a.b#}}",
    ),
    *([], {}, [[]], [None], ["start", "q"], ["sys"], {"": None}, {"type": "end"}, [{"id": "start"}] * 3, "null", "[1"),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document, the inner ones too."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def deep() -> Any:
    value: Any = 1
    for number in range(300):
        value = [value] if number % 2 else {"a": value}
    return value


def spoil(document: Any, random: Random) -> None:
    """Change a few things of a document in place: values, keys, and what is there at all."""
    for _ in range(random.choice((1, 1, 2, 5))):
        *path, last = random.choice(list(places(document)))
        parent = document
        for key in path:
            parent = parent[key]
        match random.randrange(5):
            case 0:
                del parent[last]
            case 1 if isinstance(parent, list):
                parent.append(deepcopy(parent[last]))
            case 1 | 2 if isinstance(parent, dict):
                parent[random.choice((f"{last}x", "", "__class__", "id", "type"))] = parent.pop(last)
            case _:
                parent[last] = deep() if random.random() < 0.05 else deepcopy(random.choice(ODD))
        if not document:
            return


def look(text: bytes, installation: Any) -> str:
    """All that is done with a file before it runs. Returns what is forecast."""
    checked = check(text, source="spoilt.yml", node_classes=BY_TYPE)
    report = report_of(DslSource("spoilt.yml", text), checked, installation, None)
    json.dumps(report)
    if checked.document is not None and checked.graph is not None:
        environment = Outside().values_of(checked.document.environment, "spoilt")
        describe(checked.document, checked.graph, environment)
    return str(report["verdict"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_in_which_something_is_spoilt_is_told_about(file: Path) -> None:
    installation = installation_of(Settings())
    random = Random(file.stem)
    whole = json.dumps(yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader))
    verdicts = set()
    for _ in range(SPOILT):
        document = json.loads(whole)
        spoil(document, random)
        verdicts.add(look(json.dumps(document).encode(), installation))
    assert len(verdicts) > 1, "nothing was spoilt, or everything"
