"""Java's ``HttpClient``, which asks for HTTP/2 by ``Upgrade`` wherever a connection is not encrypted, starts runs."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import Scene
from tests.acceptance.test_clients import PROGRAMS, key_of
from tests.effort import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.once]


@pytest.mark.parametrize("times", [1, 20_000])
def test_the_client_of_java_starts_runs_as_it_is(scene: Scene, tmp_path: Path, times: int) -> None:
    text = "日本 🌸 \ue000 " * times
    body = json.dumps({"inputs": {"q": text}, "user": "java", "response_mode": "blocking"}, ensure_ascii=False)
    arguments = [scene.server.url, key_of(scene.client("echo")), "3"]

    done = subprocess.run(
        ["java", PROGRAMS / "StartRuns.java", *arguments],
        cwd=tmp_path,
        input=body.encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line)["data"] for line in done.stdout.decode().splitlines()]
    assert [(answer["status"], answer["outputs"]) for answer in answers] == [("succeeded", {"q": text})] * 3
