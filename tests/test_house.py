"""The house: sizes of files, layers without exceptions, documents that keep up, a wheel that is complete."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from scripts.house import Module, figures, inner_imports, modules, shared_classes

import jikko
from jikko.extras import Extra
from jikko.settings import PREFIX, Settings
from tests.effort import no_garbage_collector

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
LIMITS = {"src": 400, "tests": 500, "benchmarks": 400}
ONE_NOUN = {"src/jikko/engine/runner.py": 480, "src/jikko/runs/run_log.py": 445, "src/jikko/settings.py": 410}
"""Longer files: one list, or one machine of states, of which no part is understood without the others."""
MOST = {
    "modules that share their name": 55,
    "Any for settings and assembly in cli and server": 0,
    "files that a column of a run touches": 5,
    "files that a column of a run that events count touches": 5,
    "files that a column of a cold table touches": 4,
    "files that an operation of the API touches": 1,
}
"""Of what `make house` counts. Figures that fell are recorded here: it is what keeps them."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def source() -> Iterator[list[Module]]:
    """All modules; their trees take half a second, and each collection of garbage as long."""
    with no_garbage_collector():
        yield modules()


@pytest.mark.parametrize("folder", LIMITS)
def test_no_file_is_too_long(folder: str) -> None:
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / folder).rglob("*.py")}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in files.items()}
    assert {name: n for name, n in lines.items() if n > ONE_NOUN.get(name, LIMITS[folder])} == {}


def test_nothing_gets_harder_to_find(source: list[Module]) -> None:
    found = dict(figures(source))
    assert {name: found[name] for name, most in MOST.items() if found[name] > most} == {}


def test_few_public_classes_share_their_name(source: list[Module]) -> None:
    # A noun may stand both in a store and in a description of the API.
    shared = shared_classes(source)
    assert len(shared) <= 15, shared


def test_few_modules_import_ours_inside_functions(source: list[Module]) -> None:
    # See docs/decisions/0214: what few processes of a room need is in one table.
    inner = [f"{module.path.relative_to(ROOT)}:{line}" for module in source for line in inner_imports(module)]
    assert len(inner) <= 60, inner


def test_modules_open_with_a_noun_of_the_field(source: list[Module]) -> None:
    # A reader searches for "Retention of runs", not for "What becomes of old runs".
    asks = re.compile(r"(?:Who|Whose|What|Which|When|Where|Whether|Why|How|Those)\b")
    told = [module for module in source if asks.match(ast.get_docstring(module.tree) or "")]
    assert [str(module.path.relative_to(ROOT)) for module in told] == []


def test_constants_say_what_they_bound(source: list[Module]) -> None:
    # POLL_SECONDS, TIMEOUT_SECONDS, MAX_CONCURRENT_…, CHUNK_BYTES, EXCLUDED_…, EXPIRED, CACHE_SIZE.
    vague = re.compile(
        r"^_?(?:LOOK_SECONDS|PATIENCE_SECONDS|AT_ONCE|PIECE|LEFT_OUT|OLD|KEPT|OTHERS)\b.*=", re.MULTILINE
    )
    found = {str(module.path.relative_to(ROOT)): vague.findall(module.text) for module in source}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_layers_have_no_exceptions(project: dict[str, Any]) -> None:
    contracts = project["tool"]["importlinter"]["contracts"]
    assert not [contract["name"] for contract in contracts if "ignore_imports" in contract]


BREACHES = {
    "an import from a layer above": ("ids.py", "import jikko.cli.main", "- jikko.ids -> jikko.cli.main"),
    "an import within a function": (
        "lang/templates.py",
        "def late():\n    import jikko.runs.run_log",
        "- jikko.lang.templates -> jikko.runs.run_log",
    ),
    "a module without a place": ("newcomer.py", "", "not listed as layers:\n\n- jikko.newcomer"),
    "a node type that knows another": (
        "nodes/flow/end.py",
        "import jikko.nodes.flow.loop_node",
        "- jikko.nodes.flow.end -> jikko.nodes.flow.loop_node",
    ),
    "an implementation picked elsewhere": (
        "inputs/uploads.py",
        "def late():\n    import jikko.files.store",
        "- jikko.inputs.uploads -> jikko.files.store",
    ),
    "the web framework below": ("runs/run_log.py", "import starlette.requests", "jikko.runs.run_log -> starlette"),
}
BROKEN = [
    "Each layer imports only from the layers below it",
    "Node types do not know each other",
    "Only assemble picks implementations; the forecast says what they would do",
    "Web framework only in http",
]


def test_the_layers_are_checked(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, _ in BREACHES.values():
        with (tmp_path / "src" / "jikko" / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")

    command: list[str | Path] = [
        Path(sys.executable).parent / "lint-imports",
        "--no-cache",
        "--config",
        ROOT / "pyproject.toml",
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert re.findall(r"^(.*) BROKEN$", done.stdout, re.MULTILINE) == BROKEN
    assert [breach for breach, (*_, told) in BREACHES.items() if told not in done.stdout] == []


LOOSE = """
import json

def double(number):
    return number

def names() -> list:
    return []

def read(text: str) -> str:
    return json.loads(text)
"""


def test_types_are_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "loose.py").write_text(LOOSE)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        ROOT / "pyproject.toml",
        "--cache-dir",
        tmp_path,
    ]

    done = subprocess.run([*command, "loose.py"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert re.findall(r"\[([\w-]+)\]$", done.stdout, re.MULTILINE) == ["no-untyped-def", "type-arg", "no-any-return"]


def test_no_python_is_too_new(project: dict[str, Any]) -> None:
    assert project["project"]["requires-python"] == ">=3.11"


def test_the_makefile_prefers_the_newest_python_that_is_tested(project: dict[str, Any]) -> None:
    command = ["make", "--silent", "--eval", "shown: ; @echo $(TESTED)", "shown"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    names = [name.rpartition(" ")[2] for name in project["project"]["classifiers"] if ":: Python ::" in name]
    assert shown == sorted(names, key=lambda name: int(name.partition(".")[2]), reverse=True) != []


def test_the_reference_of_settings_names_each_with_its_variable() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    variables = {entry.name: entry.name.upper() for entry in fields(Settings)} | {"env": "ENV_NAME"}
    rows = [f"| `{name}` | `{PREFIX}{variable}`" for name, variable in variables.items()]
    assert [row for row in rows if row not in text] == []


def test_the_reference_of_settings_names_no_other() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    named = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and "` | `JIKKO_" in line}
    assert named == {entry.name for entry in fields(Settings)}


def test_no_text_names_a_package_of_an_index_that_is_not_there(project: dict[str, Any]) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    texts = {str(page): page.read_text(encoding="utf-8") for page in pages}
    assert [page for page, text in texts.items() if "'jikko[" in text or "pip install jikko" in text] == []
    # Whatever is named is an extra of this project.
    named = {extra for text in texts.values() for extra in re.findall(r"pip install '\.\[(\w+)\]'", text)}
    assert named <= set(project["project"]["optional-dependencies"])
    assert set(get_args(Extra)) == set(project["project"]["optional-dependencies"]) - {"dev"}


def test_the_version_is_one_and_the_changelog_has_it(project: dict[str, Any]) -> None:
    version = project["project"]["version"]
    assert jikko.__version__ == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    client = [
        json.loads((ROOT / "clients/js" / name).read_text("utf-8")) for name in ("package.json", "package-lock.json")
    ]
    assert [each["version"] for each in (*client, client[1]["packages"][""])] == [version] * 3
    chart = yaml.safe_load((ROOT / "deploy/helm/jikko/Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_the_tour_of_the_sources_names_files_that_exist() -> None:
    files = [
        f"/{path.relative_to(ROOT).as_posix()}" for part in ("src", "tests") for path in (ROOT / part).rglob("*.py")
    ]
    named = re.findall(r"`([\w/]+/\w+\.py)`", (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_links_within_the_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, part.partition(")")[0]) for page in pages for part in page.read_text(encoding="utf-8").split("](")[1:]
    ]
    assert len(links) > 400
    assert [
        (str(page), target) for page, target in links if "://" not in target and not _leads_somewhere(page, target)
    ] == []


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not anchor or anchor in _anchors(file.read_text(encoding="utf-8")))


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a document, none of which it has twice."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", without_code, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["docs/reliability.md", "tests/runs/test_field_bugs.py"])
def test_tests_that_are_named_exist(page: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", (ROOT / page).read_text(encoding="utf-8"))
    assert len(named) >= 10
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file, _ in named}
    assert [test for file, test in named if f"def {test}(" not in texts[file]] == []


def test_the_wheel_has_all_that_the_source_has(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    # What is there is packed; tests/console/ sees to it that the page of the console is.
    left_out = {**os.environ, "JIKKO_BUILD_CONSOLE": "0", "JIKKO_BUILD_COMMIT": "0123456789ab"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=left_out)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        commit = archive.read("jikko/commit.txt")
        assert archive.read("jikko/for-coding-agents.md") == (ROOT / "docs" / "for-coding-agents.md").read_bytes()
        described = {name.rpartition("/")[2] for name in archive.namelist() if ".dist-info/" in name}
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "jikko").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == expected | {"jikko/commit.txt", "jikko/for-coding-agents.md"}
    assert commit == b"0123456789"
    assert {name for name in packed if name.endswith(".sql")}
    assert {name for name in packed if name.startswith("jikko/sandbox/languages/shims/")}
    assert "jikko/py.typed" in packed
    assert {"entry_points.txt", "LICENSE", "METADATA", "sbom.cdx.json"} <= described
