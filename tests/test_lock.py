"""``requirements.txt`` locks what ``pyproject.toml`` requires, and only locked libraries are installed."""

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import threading
import tomllib
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scripts.install import LOCK, libraries
from scripts.lock import PARTS

PROJECT = tomllib.loads((LOCK.parent / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]


def locked(text: str, python: str, platform: str) -> dict[str, str]:
    """The versions by the names of libraries."""
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": platform}
    found = {}
    for line in re.findall(r"^[a-z0-9].*==[^\\\n]*", text, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(here):
            assert requirement.name not in found
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_what_the_project_wants_for_it_in_a_version_that_is_wanted(
    part: str, python: str, platform: str
) -> None:
    _, extras, more = PARTS[part]
    wanted = [*PROJECT["dependencies"], *more.split()]
    for extra in extras or ():
        wanted += PROJECT["optional-dependencies"][extra]
    found = locked(libraries(part, LOCK.read_text("utf-8")), python, platform)

    missing = [
        f"{requirement}; `make lock` locks it"
        for requirement in map(Requirement, wanted)
        if (requirement.marker is None or requirement.marker.evaluate({"sys_platform": platform}))
        and ((name := canonicalize_name(requirement.name)) not in found or found[name] not in requirement.specifier)
    ]
    assert missing == []


def test_each_library_has_digests_and_the_lock_names_no_place_that_they_come_from() -> None:
    text = re.sub(r"^#.*\n", "", LOCK.read_text("utf-8"), flags=re.MULTILINE)

    lines = text.replace("\\\n", " ").splitlines()
    assert len(lines) > 100
    assert [
        line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[^/@]+?( +--hash=sha256:[0-9a-f]{64})+", line)
    ] == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Newcomer:
    """A clone that has a lock with one library, an empty environment, and an index that pip is told of."""

    def __init__(self, folder: Path, index: Path) -> None:
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(LOCK.parent / "scripts" / "install.py", folder / "scripts")
        self._folder = folder
        self._index = index
        self.python = folder / ".venv" / "bin" / "python"
        venv.create(self.python.parent.parent, symlinks=True)
        # pip and uv are those of this environment.
        [packages] = (folder / ".venv" / "lib").glob("python*/site-packages")
        (packages / "lent.pth").write_text(sysconfig.get_path("purelib"), "utf-8")

    def install(self, digest: str) -> subprocess.CompletedProcess[str]:
        """Install a lock with this digest of the library."""
        uv = f"uv=={version('uv')} \\\n    --hash=sha256:{'0' * 64}\n"
        tea = f"tea==1.0 \\\n    --hash=sha256:{digest}\n"
        (self._folder / "requirements.txt").write_text(
            f"# --- run: all\n{tea}# --- build: not installed here\n{uv}", "utf-8"
        )
        folder = self._folder
        handler = partial(_Quiet, directory=str(self._index))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever).start()
            try:
                return subprocess.run(
                    [self.python, "scripts/install.py", "run"],
                    cwd=folder,
                    env={
                        **{name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "UV_"))},
                        "PIP_CONFIG_FILE": os.devnull,
                        "PIP_INDEX_URL": f"http://127.0.0.1:{server.server_port}/",
                        "UV_CACHE_DIR": str(folder / "cache"),
                        "UV_NO_CONFIG": "1",
                        "NO_PROXY": "127.0.0.1",
                    },
                    capture_output=True,
                    text=True,
                    check=False,
                )
            finally:
                server.shutdown()

    def has(self, module: str) -> bool:
        return (
            subprocess.run([self.python, "-c", f"import {module}"], stderr=subprocess.DEVNULL, check=False).returncode
            == 0
        )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The only library of an index."""
    file = tmp_path / "index" / "tea" / "tea-1.0-py3-none-any.whl"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tea.py", "KIND = '緑茶'\n")
        archive.writestr("tea-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tea\nVersion: 1.0\n")
        archive.writestr("tea-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tea-1.0.dist-info/RECORD", "")
    (file.parent / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>', "utf-8")
    return file


def test_a_library_is_installed_from_the_index_of_pip_if_it_has_the_locked_digest(tmp_path: Path, wheel: Path) -> None:
    newcomer = Newcomer(tmp_path / "clone", wheel.parents[1])

    done = newcomer.install(hashlib.sha256(wheel.read_bytes()).hexdigest())

    assert done.returncode == 0, done.stdout
    assert re.search(r"^Installed in \d+ s\.$", done.stdout, re.MULTILINE)
    assert newcomer.has("tea")


def test_a_library_with_another_digest_stops_the_installation(tmp_path: Path, wheel: Path) -> None:
    newcomer = Newcomer(tmp_path / "clone", wheel.parents[1])
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()

    done = newcomer.install(digest.replace(digest[0], "e" if digest[0] != "e" else "f"))

    assert done.returncode != 0
    assert "tea==1.0" in done.stdout
    assert digest in done.stdout
    assert not newcomer.has("tea")
