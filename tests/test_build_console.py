"""When the page of the console is built, and with which Node."""

import fcntl
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripts.build_console import build, is_current, machine_node, npm, output, sources

pytestmark = pytest.mark.once


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose page was built after its sources were written."""
    for file, moment in ((sources(tmp_path) / "src" / "main.tsx", 100), (output(tmp_path) / "index.html", 200)):
        file.parent.mkdir(parents=True)
        file.write_text("…", encoding="utf-8")
        os.utime(file, (moment, moment))
    return tmp_path


def test_a_page_is_current_until_one_of_its_sources_is_newer(project: Path) -> None:
    assert is_current(project)
    os.utime(sources(project) / "src" / "main.tsx", (300, 300))
    assert not is_current(project)


def test_packages_of_node_are_no_sources(project: Path) -> None:
    package = sources(project) / "node_modules" / "react" / "index.js"
    package.parent.mkdir(parents=True)
    package.write_text("…", encoding="utf-8")
    assert is_current(project)


def test_without_a_page_it_is_not_and_without_sources_it_is(project: Path) -> None:
    (sources(project) / "src" / "main.tsx").unlink()
    assert is_current(project)
    (output(project) / "index.html").unlink()
    assert not is_current(project)


@pytest.mark.parametrize(
    ("version", "fits"), [("v20.18.9", False), ("v20.19.0", True), ("v24.1.0", True), ("?", False)]
)
def test_the_node_of_the_machine_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert machine_node() == (tmp_path if fits else None)


def test_a_machine_without_npm_has_no_node_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho v22.0.0\n", encoding="utf-8")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_node() is None


def test_files_are_packed_in_a_folder_of_any_name(tmp_path: Path) -> None:
    project = tmp_path / "二つ目 ä 🙂"
    script = sources(project) / "scripts" / "compress.mjs"
    script.parent.mkdir(parents=True)
    shutil.copy(sources() / "scripts" / "compress.mjs", script)
    output(project).mkdir(parents=True)
    (output(project) / "page.js").write_text("x" * 5000, encoding="utf-8")
    _, environment = npm()
    subprocess.run(["node", script], env=environment, check=True)
    assert {path.name for path in output(project).iterdir()} == {"page.js.gz", "page.js.br"}


def test_a_page_that_two_build_at_once_is_built_by_one_while_the_other_waits(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, folder = project / "waits", project / "bin"
    folder.mkdir()
    # A step beside another one fails: the folder exists. The first goes on once the second waits for the lock.
    wait = f"i=0; while [ ! -e '{waits}' ] && [ $i -lt 600 ]; do i=$((i + 1)); sleep 0.1; done"
    step = f"mkdir '{project}/busy' || exit 1\n{wait}"
    page = f"case $1 in run) echo 新しい🙂 > '{output(project)}/index.html';; esac"
    npm = f"{step}\n{page}\necho \"$1\" >> '{project}/steps'\nrmdir '{project}/busy'"
    for name, script in {"node": "echo v24.1.0", "npm": npm}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    lock = fcntl.flock

    def noted(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            waits.touch()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", noted)
    os.utime(sources(project) / "src" / "main.tsx", (300, 300))
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(build, [project, project])] == [output(project)] * 2
    assert (project / "steps").read_text(encoding="utf-8") == "ci\nrun\n"
    assert is_current(project)
