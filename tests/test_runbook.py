"""The runbook has a section for each fault, and only for existing ones."""

import re
from pathlib import Path

import pytest
import yaml

from jikko.cli.main import cli
from jikko.settings import PREFIX, Settings

pytestmark = pytest.mark.once

DOCS = Path(__file__).parents[1] / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text(encoding="utf-8")


def test_each_fault_of_the_page_on_reliability_is_in_one_section() -> None:
    rows = (DOCS / "reliability.md").read_text(encoding="utf-8").splitlines()
    faults = [row.split("|")[1].strip() for row in rows if row.startswith("| ") and "`tests/" in row]
    found = [
        " ".join(fault.split())
        for content in re.findall(r"^\*Faults:\* (.*?)\.\n\n", RUNBOOK, re.MULTILINE | re.DOTALL)
        for fault in content.split(";")
    ]
    # One of the faults has a semicolon of its own.
    known = [part.strip() for fault in faults for part in fault.split(";")]

    assert sorted(found) == sorted(known)


def test_each_section_says_what_to_do() -> None:
    sections = RUNBOOK.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections if "\n*Do:* " not in section] == []


def test_each_alert_leads_to_the_section_that_names_it() -> None:
    text = (DOCS.parent / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    sections: dict[str, str] = {}
    for section in RUNBOOK.split("\n## ")[1:]:
        title, _, content = section.partition("\n")
        anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        named = re.search(r"^\*Alerts:\* (.*)\.$", content, re.MULTILINE)
        sections |= dict.fromkeys(named[1].split(", ") if named else [], anchor)

    links = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}
    assert links == {alert: f"docs/runbook.md#{anchor}" for alert, anchor in sections.items()}


def test_its_commands_and_settings_exist() -> None:
    commands = set(re.findall(r"`jikko ([a-z]+)", RUNBOOK))
    variables = set(re.findall(rf"`{PREFIX}([A-Z_]+)`", RUNBOOK))

    assert commands - set(cli.commands) == set()
    assert {name.lower() for name in variables} - set(Settings.__dataclass_fields__) == set()
