"""Page in the installed package, with types matching the server."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest
from scripts.build_console import npm, sources
from scripts.console_types import TYPES, console_types
from scripts.install import LOCK

from tests.console.conftest import ROOT, Site
from tests.effort import PATIENCE, trusted


@pytest.fixture(scope="module")
def packages(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_wheel_and_sdist_hold_the_page(packages: Path) -> None:
    [wheel], [sdist] = packages.glob("*.whl"), packages.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert "jikko/http/static/index.html" in archive.namelist()
        assert b"MIT License" in archive.read("jikko/http/static/licenses.md")
        assert not [name for name in archive.namelist() if "node_modules" in name]
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert [name for name in names if name.endswith("/src/jikko/http/static/index.html")]
    assert [name for name in names if name.endswith("/src/jikko/http/static/licenses.md")]
    assert [name for name in names if name.endswith("/console/package-lock.json")]
    assert not [name for name in names if "node_modules" in name]


@pytest.fixture(scope="module")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it needs, in locked versions."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    [wheel] = packages.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, environment)
    uv("pip", "install", "--quiet", "--python", environment / "bin" / "python", "--constraints", LOCK, wheel)
    return environment


def uv(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "uv", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_is_small(installed: Path) -> None:
    listed = json.loads(uv("pip", "list", "--format", "json", "--python", installed / "bin" / "python"))
    files = [path for path in (installed / "lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(listed) <= 45
    assert sum(path.stat().st_size for path in files) <= 75_000_000


def test_what_is_installed_runs_a_file_and_serves_the_page_where_there_is_no_node(
    installed: Path, tmp_path: Path
) -> None:
    jikko = str(installed / "bin" / "jikko")
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONPATH", None)  # What is installed runs, not the checkout.
    flow = ROOT / "examples" / "parallel-quote.yml"
    ran = subprocess.run(
        [jikko, "run", flow, "-i", "pieces=3", "-i", "country=DE"], env=environment, capture_output=True, check=True
    )
    assert json.loads(ran.stdout)["delivery"] == "2 days by rail"
    command = [jikko, "serve", "--port", "0", "--home", str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as server:
        try:
            assert server.stdout is not None
            url = re.search(r"serves (http://[\d.:]+)/", server.stdout.readline())
            assert url is not None
            page = httpx.get(f"{url[1]}/console/", verify=trusted(), timeout=PATIENCE).raise_for_status().text
            [script] = re.findall(r'src="\./(assets/[^"]+\.js)"', page)
            assert (
                len(
                    httpx.get(f"{url[1]}/console/{script}", verify=trusted(), timeout=PATIENCE)
                    .raise_for_status()
                    .content
                )
                > 10_000
            )
        finally:
            server.terminate()


def test_the_types_of_the_page_are_those_that_the_server_describes(site: Site) -> None:
    described = (
        httpx.get(f"{site.server.url}/api/openapi.json", verify=trusted(), timeout=PATIENCE).raise_for_status().content
    )
    written = (sources() / TYPES).read_text(encoding="utf-8")
    assert console_types(described) == written, "python -m scripts.console_types URL brings them up to date"


def test_the_parts_of_the_page_pass_their_own_tests_and_checks(built: Path) -> None:
    scripts = json.loads((built / "package.json").read_text(encoding="utf-8"))["scripts"]
    steps = f"{scripts['test']} && {scripts['lint']}".split(" && ")
    assert [step for step in steps if step.endswith("/tsc --noEmit")]
    environment = npm()[1]
    programs = (
        f"{built / 'node_modules' / '.bin'}{os.pathsep}{environment['PATH']}"  # as npm finds them, without its start
    )
    for step in steps:
        done = subprocess.run(
            step,
            shell=True,
            cwd=built,
            env={**environment, "PATH": programs},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
