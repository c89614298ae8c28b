"""Image of ``deploy/Dockerfile``: built and run for real, as an unprivileged user without capabilities."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripts import build_console

from tests.acceptance.client import Client
from tests.acceptance.conftest import apps_of
from tests.acceptance.echo import EchoServer
from tests.deploy.containers import BASE, IMAGE, REVISION, ROOT, SLIM, Engine, Machine
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.once]

DEPLOY = ROOT / "deploy"
TRIXIE_SLIM = 79_000_000
"""Bytes of Docker's ``debian:trixie-slim``; the base of these tests is Debian with its documentation."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if not build_console.is_current():
        build_console.build()  # with the Node of this machine
    made = Engine(tmp_path_factory.mktemp("containers"))
    try:
        made.make_base()
        made.build()
        yield made
    finally:
        made.close()


class Volume:
    """What outlasts containers, and one container after the other on it, each with a server."""

    def __init__(self, engine: Engine, folder: Path, image: str = IMAGE) -> None:
        self._engine = engine
        self._image = image
        folder.mkdir(mode=0o700)
        os.chown(folder, 10001, 10001)
        self.folder = folder
        self.name = ""
        self.url = ""

    def start(self) -> None:
        port = free_port()
        self.name = f"jikko-{port}"
        self.url = f"http://127.0.0.1:{port}"
        settings = {"JIKKO_PORT": str(port), "JIKKO_HTTP_ALLOW": "127.0.0.0/8"}
        self._engine.run("--detach", f"--name={self.name}", f"--volume={self.folder}:/data", self._image, **settings)
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            assert time.monotonic() < deadline, self.log()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", verify=trusted(), timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False

    def jikko(self, *arguments: str) -> str:
        """A command within the container."""
        return self._engine.podman("exec", self.name, "jikko", *arguments)

    def healthcheck(self) -> str:
        return self._engine.podman("healthcheck", "run", self.name)

    def log(self) -> str:
        return self._engine.podman("logs", self.name)

    def imported(self, **apps: str) -> dict[str, str]:
        """Keys of these apps."""
        keys = {}
        for name, text in apps.items():
            (self.folder / f"{name}.yml").write_text(text, encoding="utf-8")
            keys[name] = json.loads(self.jikko("apps", "import", f"/data/{name}.yml", "--json"))["api_key"]
        return keys

    def kill(self) -> None:
        self._engine.podman("kill", "--signal=KILL", self.name)
        self._engine.podman("wait", self.name)

    def stop(self) -> int:
        """In good order. Returns the exit code."""
        self._engine.podman("stop", f"--time={int(PATIENCE / 2)}", self.name)
        return int(self._engine.podman("wait", self.name))


def ended(client: Client, run: str) -> Any:
    """The record of a run, once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while (record := client.get(f"/v1/workflows/run/{run}"))["status"] in ("running", "paused"):
        assert time.monotonic() < deadline, record
    return record


def test_it_says_what_it_is_and_is_nobody_in_particular(engine: Engine) -> None:
    [image] = json.loads(engine.podman("image", "inspect", IMAGE))

    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["tini", "--", "jikko"]
    assert config["Cmd"] == ["serve"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert config["Volumes"].keys() == {"/data"}
    assert f"({REVISION[:10]})" in engine.run("--rm", IMAGE, "--version")
    script = "id -u; ls /opt/jikko/bin/pip /src; touch /x"
    found = engine.run("--rm", "--entrypoint=sh", IMAGE, "-c", f"{script}; true")
    assert found.startswith("10001\n")
    assert found.count("No such file or directory") == 2
    assert "Read-only file system" in found


def test_nothing_that_it_needs_is_missing(engine: Engine, tmp_path: Path) -> None:
    """Of a container that may do nothing: the sandbox of users' programs among it."""
    volume = Volume(engine, tmp_path / "volume")

    lines = engine.run("--rm", f"--volume={volume.folder}:/data", IMAGE, "doctor").splitlines()

    assert [line for line in lines if not line.startswith("ok ")] == ["all is well"]
    assert len(lines) > 35


def test_a_container_that_was_killed_goes_on_in_the_next_on_its_volume(engine: Engine, tmp_path: Path) -> None:
    echo = EchoServer()
    volume = Volume(engine, tmp_path / "volume")
    try:
        volume.start()
        apps = apps_of(echo)
        keys = volume.imported(**{name: apps[name] for name in ("echo", "held", "asks", "work")})
        with_key = {name: Client(volume.url, key) for name, key in keys.items()}
        worked = with_key["work"].run(q="日本語 🙂!")
        assert worked["data"]["outputs"] == {"said": "日本語 🙂! is loud"}
        accepted = [with_key["echo"].run(q=f"#{number}")["workflow_run_id"] for number in range(20)]
        paused = with_key["asks"].run(q="why")
        held = with_key["held"].run("async", name="killed")["workflow_run_id"]
        echo.wait_for_calls("/hold/killed")
        volume.healthcheck()
        for client in with_key.values():
            client.close()

        volume.kill()
        volume.start()

        with_key = {name: Client(volume.url, key) for name, key in keys.items()}
        assert ended(with_key["work"], worked["workflow_run_id"])["outputs"] == {"said": "日本語 🙂! is loud"}
        for number, run in enumerate(accepted):
            assert ended(with_key["echo"], run)["outputs"] == {"q": f"#{number}"}
        echo.wait_for_calls("/hold/killed", 2)
        echo.release("/hold/killed")
        assert ended(with_key["held"], held)["status"] == "succeeded"
        [reason] = paused["data"]["reasons"]
        answer = {"inputs": {"comment": "so"}, "action": "yes", "user": "someone"}
        path = f"/v1/form/human_input/{reason['form_token']}"
        assert with_key["asks"].request("POST", path, json=answer).status_code == 200
        assert ended(with_key["asks"], paused["workflow_run_id"])["outputs"] == {"said": "so"}
        for client in with_key.values():
            client.close()
        assert volume.stop() == 0, volume.log()
    finally:
        echo.close()


def test_the_slim_image_is_small_and_runs_what_needs_no_extra(engine: Engine, tmp_path: Path) -> None:
    echo = EchoServer()
    volume = Volume(engine, tmp_path / "volume", SLIM)
    try:
        volume.start()
        keys = volume.imported(work=apps_of(echo)["work"])
        client = Client(volume.url, keys["work"])
        assert client.run(q="日本語 🙂!")["data"]["outputs"] == {"said": "日本語 🙂! is loud"}
        client.close()
        assert volume.stop() == 0, volume.log()
    finally:
        echo.close()
    doctor = engine.run("--rm", "--entrypoint=sh", SLIM, "-c", "jikko doctor --home /tmp/home; true")
    assert [line for line in doctor.splitlines() if line.startswith("FAILED")] == []
    assert "sandbox, JavaScript: runs" in doctor
    listed = engine.run(
        "--rm", "--entrypoint=sh", SLIM, "-c", "ls /opt/jikko/bin /opt/jikko/lib/python3*/site-packages"
    )
    assert "lxml" not in listed
    assert "\nuv\n" not in listed
    sizes = {image: json.loads(engine.podman("image", "inspect", image))[0]["Size"] for image in (BASE, SLIM, IMAGE)}
    print(sizes)
    assert sizes[SLIM] - sizes[BASE] + TRIXIE_SLIM <= 200_000_000, sizes


def test_both_images_have_the_bill_of_materials(engine: Engine) -> None:
    for image in (SLIM, IMAGE):
        script = "cat /opt/jikko/lib/python3*/site-packages/jikko-*.dist-info/sboms/sbom.cdx.json"
        found = engine.run("--rm", "--entrypoint=sh", image, "-c", script)
        assert json.loads(found) == json.loads((ROOT / "sbom.cdx.json").read_text("utf-8"))


ASK = """
    curl -sf -m 60 127.0.0.1:8000/v1/workflows/run -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \\
        -d '{"inputs": {"q": "日本語!"}, "user": "anna", "response_mode": "blocking"}'
"""


@pytest.fixture(scope="module")
def machine(engine: Engine) -> Iterator[Machine]:
    made = engine.boot(DEPLOY / "systemd", ["curl", "dbus"])
    yield made
    made.close()


def test_the_units_of_systemd_are_served_by_a_real_one(machine: Machine) -> None:
    echo = EchoServer()
    work = apps_of(echo)["work"]
    echo.close()
    assert machine.shell("systemctl is-active jikko.socket jikko.service") == "active\nactive\n"
    assert machine.shell("systemctl show -P WatchdogUSec jikko") == "15s\n"
    # All that it needs it may do, which is not much.
    machine.shell(
        """
        sed -e 's/ serve$/ doctor/; s/^Type=.*/Type=oneshot/; s/^Restart=.*//; s/^WatchdogSec=.*//; s/^Requires=.*//' \\
            -e 's/^Environment=JIKKO_HOME=.*/Environment=JIKKO_HOME=%S\\/jikko JIKKO_PORT=8001/' \\
            /etc/systemd/system/jikko.service > /run/systemd/system/doctor.service
        systemctl daemon-reload
        systemctl stop jikko.service
        systemctl start doctor
        systemctl start jikko.service
        """
    )
    lines = machine.shell("journalctl --no-pager -o cat _SYSTEMD_UNIT=doctor.service").splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == ["all is well"]
    assert len(lines) > 35

    # Programs of users run, files are read again, and restarts and deaths concern no request.
    (imported,) = machine.shell(
        'printf %s "$1" > /tmp/work.yml; jikko apps import --home /var/lib/private/jikko --json /tmp/work.yml',
        work,
    ).splitlines()
    key = json.loads(imported)["api_key"]
    outputs = json.loads(machine.shell(ASK, key))["data"]["outputs"]
    assert outputs == {"said": "日本語! is loud"}
    machine.shell("systemctl reload jikko")
    restarts = 'systemctl restart jikko & for _ in 1 2 3 4 5 6; do ask "$1" >/dev/null; done; wait $!'
    machine.shell(f"ask() {{ {ASK} }}; {restarts}", key)
    machine.shell(f"kill -9 $(systemctl show -P MainPID jikko); {ASK}", key)
    # One that hangs; sooner than the unit has it, which takes as long as a test may.
    machine.shell(
        """
        mkdir -p /run/systemd/system/jikko.service.d
        printf '[Service]\\nWatchdogSec=1\\n' > /run/systemd/system/jikko.service.d/sooner.conf
        systemctl daemon-reload
        systemctl restart jikko
        kill -STOP $(systemctl show -P MainPID jikko)
        """
        + ASK,
        key,
    )
    assert "Watchdog timeout" in machine.journal()
