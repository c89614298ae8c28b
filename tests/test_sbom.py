"""Bill of materials: complete, with known licences, and in the wheel."""

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import pytest
from scripts import sbom

LISTED: Final = json.loads(sbom.SBOM.read_text("utf-8"))


def named(component: dict[str, Any]) -> tuple[str, str]:
    return component["purl"], component["scope"]


def test_it_has_what_both_locks_have() -> None:
    made = sbom.sbom()

    assert list(map(named, LISTED["components"])) == list(map(named, made["components"])), "run python -m scripts.sbom"
    assert {**made, "components": []} == {**LISTED, "components": []}
    assert len([each for each in LISTED["components"] if each["purl"].startswith("pkg:npm/")]) > 20


def test_it_has_the_library_whose_prices_come_with_the_project() -> None:
    assert [each["scope"] for each in LISTED["components"] if each["name"] == "genai-prices"] == ["required"]


def test_each_library_has_a_known_licence_which_is_that_of_what_is_installed() -> None:
    unknown = [
        each["name"]
        for each in LISTED["components"]
        if not all(sbom.is_known(licence["expression"]) for licence in each["licenses"])
    ]
    assert unknown == []
    for name, locked, _ in sbom.locked():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        if installed == locked:
            [component] = [each for each in LISTED["components"] if each["purl"] == f"pkg:pypi/{name}@{locked}"]
            assert component["licenses"] == [{"expression": sbom.license_of(name)}]


def test_a_licence_that_was_read_needs_no_metadata_which_are_on_linux_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])

    assert sbom.license_of("quickjs-ng") == "MIT"


@pytest.mark.parametrize(
    ("expression", "known"),
    [("MIT OR (Apache-2.0 AND 0BSD)", True), ("MIT AND SSPL-1.0", False), ("BSD License", False)],
)
def test_an_expression_is_known_if_all_its_licences_are(expression: str, known: bool) -> None:
    assert sbom.is_known(expression) is known
