"""A standard ``EventSource`` follows the log of a run, and stops at its end."""

import json
import shutil
from pathlib import Path

import pytest

from tests.acceptance.conftest import Scene
from tests.acceptance.test_clients import PROGRAMS, Node, key_of, succeed

pytestmark = [pytest.mark.slow, pytest.mark.services]


def test_a_standard_event_source_stops_behind_the_end_of_a_run(scene: Scene, tmp_path: Path) -> None:
    client = scene.client("work")
    run = client.run(q="日本 🌸!")["workflow_run_id"]
    log = client.log(run)
    node = Node()
    install: list[str | Path] = [*node.npm, "install", "--no-audit", "--no-fund", "eventsource@4.0.0"]
    succeed(install, "installing eventsource from npm, which this test needs,", folder=tmp_path)
    script = shutil.copy(PROGRAMS / "event_source.mjs", tmp_path)
    task = {
        "url": f"{scene.server.url}/v1/workflows/run/{run}/events",
        "key": key_of(client),
        "names": sorted({event["event"] for event in log}),
    }

    report = json.loads(succeed([*node.node, script, json.dumps(task)], "the program", folder=tmp_path))

    assert report["seen"] == [[event["id"], event["event"]] for event in log]
    assert report["asked"] == 2
