"""Test files of ``jikko test``, and the outcomes of their cases."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Command, Outcome
from tests.acceptance.workflows import app, end, fetch, first_of, if_contains, start, template

BRANCHES = app(
    "Branches",
    [
        start("q"),
        if_contains("route", "start.q", "high"),
        template("high", "HIGH {{ q }}", q="start.q"),
        template("low", "low {{ q }}", q="start.q"),
        first_of("out", "high.output", "low.output"),
        end(x="out.output"),
    ],
    "start>route route:true>high route:false>low high>out low>out out>end",
)
FETCHES = app(
    "Fetches",
    [start("q"), fetch("get", "https://shop.example/{{#start.q#}}"), end(body="get.body", status="get.status_code")],
    "start>get>end",
)


def kept(folder: Path, workflow: str, *cases: dict[str, Any], **more: Any) -> Path:
    (folder / "flow.yml").write_text(workflow, encoding="utf-8")
    path = folder / "flow.test.yml"
    path.write_text(json.dumps({"cases": list(cases), **more}, ensure_ascii=False), encoding="utf-8")
    return path


def told(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the outcomes of the cases from ``--json``."""
    return [json.loads(line) for line in outcome.out.splitlines()][:-1]


def outcomes(jikko: Command, path: Path, *options: str) -> dict[str, str]:
    """Return each case's outcome, with the report if it did not pass."""
    found = told(jikko("test", path, "--json", *options))
    return {each["case"]: " | ".join([each["outcome"], *(p["text"] for p in each["problems"])]) for each in found}
