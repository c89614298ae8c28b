"""The names of ``import jikko``: few, typed, shown on the page of Python, and free until they are used."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jikko
from tests.page_blocks import ROOT

NAMES = [name for name in dir(jikko) if not name.startswith("_")]


def loaded_by(program: str) -> list[str]:
    """The modules that a program imports, but those of Python's own start."""
    told = f"import sys; before = {{*sys.modules}}; {program}; print(*({{*sys.modules}} - before))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return sorted(done.stdout.split())


def test_import_jikko_imports_nothing_else() -> None:
    assert loaded_by("import jikko") == ["jikko"]
    assert "jikko.client.answers" in loaded_by("from jikko import ServiceError")


def test_a_client_needs_nothing_of_what_runs_workflows() -> None:
    loaded = loaded_by("from jikko import Client; Client('http://localhost').close()")

    rooms = {name.split(".")[1] for name in loaded if name.startswith("jikko.")}
    assert not rooms & {"assemble", "cli", "engine", "http", "nodes", "server", "store"}


def test_an_address_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"'localhost:8000' is not the address of a server, such as http://"):
        jikko.Client("localhost:8000", "app-x")


def test_there_are_at_most_25_names_and_each_is_there() -> None:
    assert 1 <= len(NAMES) <= 25
    assert all(getattr(jikko, name) is not None for name in NAMES)


def test_type_checkers_know_the_same_names() -> None:
    spec = importlib.util.find_spec("jikko")
    assert spec is not None
    assert spec.origin is not None
    stub = Path(spec.origin).with_suffix(".pyi").read_text()
    assert sorted(re.findall(r" as (\w+)$", stub, re.MULTILINE)) == sorted(NAMES)


def test_the_page_shows_each_name() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    assert [name for name in NAMES if f"`{name}" not in page and f"jikko.{name}" not in page] == []
