"""The page is in what is installed, and its types are those of the server."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
from scripts.build_console import npm, sources
from scripts.console_types import TYPES, types_of

from tests.console.conftest import ROOT, Site


def test_wheel_and_sdist_hold_the_page(built: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel], [sdist] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert "jikko/http/static/index.html" in archive.namelist()
        assert not [name for name in archive.namelist() if "node_modules" in name]
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert [name for name in names if name.endswith("/src/jikko/http/static/index.html")]
    assert [name for name in names if name.endswith("/console/package-lock.json")]
    assert not [name for name in names if "node_modules" in name]


def test_the_types_of_the_page_are_those_that_the_server_describes(site: Site) -> None:
    described = httpx.get(f"{site.server.url}/console/openapi.json").raise_for_status().content
    written = (sources() / TYPES).read_text(encoding="utf-8")
    assert types_of(described) == written, "python -m scripts.console_types URL brings them up to date"


def test_the_parts_of_the_page_pass_their_own_tests_and_checks(built: Path) -> None:
    command, environment = npm()
    for script in ("test", "lint"):
        done = subprocess.run(
            [*command, "run", script],
            cwd=built,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
