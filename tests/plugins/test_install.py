"""Atomic installation."""

import asyncio
import errno
import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import InvalidSettings
from jikko.plugins.install.installed_plugins import LIST, InstalledPlugins
from jikko.plugins.install.uv import Uv
from jikko.plugins.install.virtual_environment import OWN, Requirements, interpreters, make_environment
from jikko.plugins.package.declaration import Plugin, read_package
from jikko.plugins.package.package_archive import PackageRefused
from jikko.plugins.package.package_names import Identifier
from jikko.plugins.process.process_usage import sessions
from tests.plugins.packages import files, folder, packed
from tests.plugins.world import installed, packages

pytestmark = pytest.mark.anyio


async def test_an_installed_plugin_is_listed_with_its_code_and_environment(tmp_path: Path) -> None:
    done = await installed(tmp_path / "home")
    assert not done.was_there
    here = InstalledPlugins(tmp_path / "home" / "plugins")
    [entry] = here.entries()
    assert entry.plugin.identifier == done.entry.plugin.identifier
    assert (here.code(entry) / "main.py").read_bytes() == files()["main.py"]
    assert (here.environment(entry) / "bin" / "python").exists()
    assert list((here.code(entry) / "__pycache__").glob("main.*.pyc"))


@pytest.mark.slow
async def test_a_project_around_the_data_folder_is_none_of_the_plugins(tmp_path: Path) -> None:
    """The installer may not read its file, and would take settings from it if it could."""
    (tmp_path / "pyproject.toml").write_text("[tool.uv]\nno-such-setting = 1\n")
    (tmp_path / "uv.toml").write_text("no-such-setting = 1\n")

    assert not (await installed(tmp_path / ".jikko")).was_there


@pytest.mark.slow
async def test_the_data_folder_may_be_named_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert not (await installed(Path("home"))).was_there


@pytest.mark.slow
async def test_the_same_package_is_installed_once(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    assert (await installed(tmp_path / "home")).was_there


@pytest.mark.slow
async def test_two_versions_share_user_and_environment_and_the_exact_one_is_found(tmp_path: Path) -> None:
    one = (await installed(tmp_path / "home")).entry
    two = (await installed(tmp_path / "home", files(version="0.0.2"))).entry
    assert one.uid == two.uid
    assert one.environment == two.environment
    here = InstalledPlugins(tmp_path / "home" / "plugins")
    assert here.find(Identifier("tester/stand_in", "", "")) == two
    assert here.find(Identifier("tester/stand_in", "0.0.1", one.plugin.checksum)) == one
    assert here.find(Identifier("tester/stand_in", "0.0.9", "00" * 32)) == two
    assert here.find(Identifier("tester/other", "", "")) is None


@pytest.mark.slow
async def test_the_same_version_with_another_checksum_is_another_package(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    await installed(tmp_path / "home", {**files(), "more.txt": b"1"})
    assert len(InstalledPlugins(tmp_path / "home" / "plugins").entries()) == 2


@pytest.mark.slow
async def test_a_plugin_that_does_not_start_is_not_installed_and_leaves_nothing(tmp_path: Path) -> None:
    broken = {**files(), "main.py": b"import sys; sys.exit('I miss something')"}
    with pytest.raises(PackageRefused, match="I miss something"):
        await installed(tmp_path / "home", broken)
    root = tmp_path / "home" / "plugins"
    assert InstalledPlugins(root).entries() == ()
    assert [path.name for place in ("code", "environments", "state") for path in (root / place).glob("*")] == []
    assert not list(root.glob("new-*"))


@pytest.mark.slow
async def test_what_an_installation_left_that_was_killed_is_swept_by_the_next(tmp_path: Path) -> None:
    root = tmp_path / "home" / "plugins"
    for left in ("new-abc/files/x", "code/a-b/1-2/x", "environments/half/x", "state/gone/x"):
        folder(root, {left: b""})
    await installed(tmp_path / "home")
    assert not list(root.glob("new-*"))
    assert [path.name for path in (root / "code").iterdir()] == ["tester-stand_in"]
    assert [path.name for path in (root / "state").iterdir()] == ["tester-stand_in"]
    assert len(list((root / "environments").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.every_python
async def test_an_environment_that_is_half_made_is_made_anew(tmp_path: Path) -> None:
    done = await installed(tmp_path / "home")
    place = tmp_path / "home" / "plugins" / "environments" / done.entry.environment
    (place / ".ready").unlink()
    (place / "bin" / "python").unlink()
    await installed(tmp_path / "home", files(version="0.0.2"))
    assert (place / "bin" / "python").exists()


@pytest.mark.slow
async def test_installing_twice_at_once_is_one_after_the_other(tmp_path: Path) -> None:
    async with packages(tmp_path / "home") as made:
        path = str(folder(tmp_path / "plugin", files()))
        plugin, archive = await made.read(path)
        first = made.installer.install(plugin, archive)
        second = made.installer.install(plugin, archive)
        done = [await first, await second]
    assert [each.was_there for each in done] == [False, True]


@pytest.mark.slow
async def test_a_package_that_is_named_twice_is_installed_once(tmp_path: Path) -> None:
    async with packages(tmp_path / "home") as made:
        package = await made.read(str(folder(tmp_path / "plugin", files())))
        done = await made.installer.install_all([package, package])
    assert [not isinstance(each, PackageRefused) and each.was_there for each in done] == [False, True]
    assert len(InstalledPlugins(tmp_path / "home" / "plugins").entries()) == 1


@pytest.mark.slow
async def test_a_list_that_cannot_be_written_is_said_of_each_plugin_and_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "home" / "plugins"
    (root / f"{LIST}.new").mkdir(parents=True)
    async with packages(tmp_path / "home") as made:
        both = [await made.read(str(folder(tmp_path / name, files(name=name)))) for name in ("one", "two")]
        done = await made.installer.install_all(both)
    assert [str(each).partition(":")[0] for each in done if isinstance(each, PackageRefused)] == [
        "tester/one cannot be installed",
        "tester/two cannot be installed",
    ]
    assert InstalledPlugins(root).entries() == ()
    assert not list((root / "code").iterdir())


@pytest.mark.slow
async def test_removing_takes_all_versions_or_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await installed(home)
    await installed(home, files(version="0.0.2"))
    async with packages(home) as made:
        assert [entry.plugin.version for entry in made.remove("tester/stand_in:0.0.1")] == ["0.0.1"]
        assert [entry.plugin.version for entry in made.remove("tester/stand_in")] == ["0.0.2"]
        assert made.remove("tester/stand_in") == ()
    root = home / "plugins"
    assert [path.name for place in ("code", "environments", "state") for path in (root / place).iterdir()] == []


async def test_a_hash_that_is_wrong_installs_nothing(tmp_path: Path) -> None:
    from jikko.plugins.install.uv import Uv

    wheel = tmp_path / "wheels" / "tiny_thing-1.0-py3-none-any.whl"
    folder(tmp_path / "wheels", {wheel.name: _wheel()})
    uv = Uv(tmp_path / "cache", {"UV_FIND_LINKS": str(wheel.parent), "UV_OFFLINE": "1"}, confine=False)
    wanted = Requirements((f"tiny-thing==1.0 --hash=sha256:{'0' * 64}",))

    with pytest.raises(PackageRefused, match=r"(?i)hash mismatch"):
        await make_environment(wanted, tmp_path / "environments", python=OWN, uv=uv)


def _wheel() -> bytes:
    from tests.plugins.packages import packed

    info = "tiny_thing-1.0.dist-info"
    return packed({
        "tiny_thing.py": b"",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    })  # fmt: skip


@pytest.mark.once
async def test_an_index_that_does_not_answer_is_told_in_the_words_of_the_installer(tmp_path: Path) -> None:
    content = {**files(), "requirements.txt": b"requests==2.32.0\n"}
    with pytest.raises(PackageRefused, match=r"(?s)uv reports:.*requests"):
        await installed(tmp_path / "home", content)
    assert InstalledPlugins(tmp_path / "home" / "plugins").entries() == ()


async def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    meta = {"runner": {"language": "python", "version": "3.99", "entrypoint": "main"}}
    with pytest.raises(PackageRefused, match=r"3\.99"):
        await installed(tmp_path / "home", files(meta=meta))


def made_for(version: str) -> dict[str, Any]:
    return {"runner": {"language": "python", "version": version, "entrypoint": "main"}}


async def test_a_plugin_is_run_with_the_python_that_it_was_made_for_if_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor = sys.version_info[:2]
    monkeypatch.setenv("PATH", str(folder(tmp_path / "bin", {"README": b""})))
    own, older = (read_package(packed(files(meta=made_for(f"{major}.{n}"))))[0] for n in (minor, minor - 1))

    async def found(plugin: Plugin) -> list[Path]:
        return [python async for python in interpreters(plugin)]

    assert await found(own) == await found(older) == [OWN]
    program = tmp_path / "bin" / f"python{major}.{minor - 1}"
    # As a script that looks for an interpreter and finds none.
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert await found(older) == [OWN]
    program.write_text(f"#!/bin/sh\necho {tmp_path}/older\n")
    assert await found(older) == [tmp_path / "older", OWN]
    assert await found(own) == [OWN]


@pytest.mark.slow
@pytest.mark.every_python
async def test_a_plugin_that_does_not_start_with_another_python_says_which_it_was_made_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1] - 1}"
    monkeypatch.setattr("jikko.plugins.install.virtual_environment.shutil.which", lambda name: None)
    broken = {**files(meta=made_for(version)), "main.py": b"import audioop_that_is_gone"}
    with pytest.raises(
        PackageRefused, match=rf"(?s)audioop_that_is_gone.*made for python{version}, which is not installed"
    ):
        await installed(tmp_path / "home", broken)


async def test_a_disk_that_is_full_installs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jikko.plugins.install.installer.unpack", full)
    with pytest.raises(PackageRefused, match="No space left on device"):
        await installed(tmp_path / "home")
    assert InstalledPlugins(tmp_path / "home" / "plugins").entries() == ()


async def test_a_list_that_is_damaged_is_an_error_that_names_it(tmp_path: Path) -> None:
    root = folder(tmp_path / "plugins", {LIST: b"{"})
    with pytest.raises(InvalidSettings, match=r"installed\.json cannot be read"):
        InstalledPlugins(root).entries()


@pytest.mark.slow
async def test_a_change_by_another_process_is_seen(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    here = InstalledPlugins(tmp_path / "home" / "plugins")
    assert len(here.entries()) == 1
    await asyncio.to_thread(_emptied, here.root / LIST)
    assert here.entries() == ()


def _emptied(path: Path) -> None:
    new = path.with_name("other")
    new.write_text(json.dumps({"format": 1, "plugins": []}))
    os.replace(new, path)


async def test_a_name_is_downloaded_only_from_a_marketplace_that_is_set(tmp_path: Path) -> None:
    async with packages(tmp_path / "home") as made:
        with pytest.raises(PackageRefused, match="JIKKO_PLUGINS_MARKET"):
            await made.read("tester/stand_in")
        with pytest.raises(PackageRefused, match="No file or folder nothing"):
            await made.read("nothing")


async def test_what_is_downloaded_must_have_its_checksum(tmp_path: Path) -> None:
    from jikko.plugins.package.package_archive import read_archive
    from tests.plugins.packages import packed

    package = packed(files())
    checksum = read_archive(package).checksum
    listed = [f"tester/stand_in:0.0.1@{checksum}"]
    async with _market(package, listed) as url:
        settings: dict[str, Any] = {"plugins_market": url, "http_allow": ("127.0.0.0/8",)}
        async with packages(tmp_path / "home", **settings) as made:
            plugin, _ = await made.read("tester/stand_in")
            assert plugin.checksum == checksum
            listed[0] = f"tester/stand_in:0.0.1@{'0' * 64}"
            with pytest.raises(PackageRefused, match="its checksum is not 0000"):
                await made.read("tester/stand_in")
            with pytest.raises(PackageRefused, match="has tester/stand_in 0"):
                await made.read("tester/stand_in:9.9")


def _market(package: bytes, listed: list[str]) -> "_Market":
    return _Market(package, listed)


class _Market:
    def __init__(self, package: bytes, listed: list[str]) -> None:
        self._package, self._listed = package, listed

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = self._package
        if head.startswith("POST /api/v1/plugins/batch"):
            body = json.dumps({"data": {"plugins": [{"latest_package_identifier": self._listed[0]}]}}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()


BACKEND = """
import ctypes, os, select, time, zipfile

def asked_as(name):
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
    try:
        return f"epoll {select.epoll()}"
    except OSError as error:
        return error.strerror

def build_wheel(folder, settings=None, metadata=None):
    # The name of a process is its own choice, and stands in what the kernel tells of it.
    found = ", ".join({asked_as(name) for name in (b"build", b"Tgid:\\t%d" % os.getppid(), b"\\xff")})
    left = os.fork()
    if not left:
        os.setpgid(0, 0)
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(600)
    name = "measured-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("measured.txt", f"{left} {found}")
        wheel.writestr("measured-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: measured\\nVersion: 1.0\\n")
        wheel.writestr("measured-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr("measured-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[project]
name = "measured"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.mark.slow
async def test_what_builds_a_package_has_no_epoll_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Watches are counted by user: what uses them up ends a server of the same user."""
    place = tmp_path / "環境"
    source = place / "source"
    source.mkdir(parents=True)
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(PROJECT)
    uv = Uv(tmp_path / "cache", {"UV_OFFLINE": "1"}, confine=True)
    await uv.run("venv", "--python", str(OWN), str(place / "env"), folder=place, write=(place,), python=OWN)
    options = ["pip", "install", "--python", str(place / "env/bin/python")]

    await uv.run(*options, str(source), folder=place, write=(place,), own_cache=place / "own", python=OWN)

    [found] = place.glob("env/lib/*/site-packages/measured.txt")
    left, said = found.read_text().split(" ", 1)
    assert said == os.strerror(errno.ENOSYS)
    assert int(left) not in {member for members in sessions().values() for member in members}


def _library(version: str) -> dict[str, bytes]:
    info = f"dify_plugin-{version}.dist-info"
    return {
        "dify_plugin.py": f"VERSION = {version!r}".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: dify-plugin\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }


@pytest.mark.slow
async def test_a_plugin_that_does_not_start_with_the_oldest_sdk_gets_a_newer_one(tmp_path: Path) -> None:
    wheels = {f"dify_plugin-{version}-py3-none-any.whl": packed(_library(version)) for version in ("0.1", "0.2")}
    links = folder(tmp_path / "wheels", wheels)
    check = b"import dify_plugin\nassert dify_plugin.VERSION == '0.2', dify_plugin.VERSION\n"
    content = {**files(), "requirements.txt": b"dify_plugin>=0.1\n", "main.py": check + files()["main.py"]}

    async with packages(tmp_path / "home", environment={"UV_FIND_LINKS": str(links)}, plugins_confine="off") as made:
        plugin, archive = await made.read(str(folder(tmp_path / "plugin", content)))
        done = await made.installer.install(plugin, archive)

    here = InstalledPlugins(tmp_path / "home" / "plugins")
    assert here.find(Identifier(plugin.id, "", "")) == done.entry
    assert [place.name for place in here.environment(done.entry).glob("lib/*/site-packages/dify_plugin-*")] == [
        "dify_plugin-0.2.dist-info"
    ]
    assert [place.name for place in here.environments.iterdir()] == [done.entry.environment]


@pytest.mark.slow
@pytest.mark.every_python
async def test_the_next_python_is_tried_before_a_plugin_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor = sys.version_info[:2]
    program = folder(tmp_path / "bin", {f"python{major}.{minor - 1}": b"#!/bin/sh\necho /nowhere/python\n"})
    (program / f"python{major}.{minor - 1}").chmod(0o755)
    monkeypatch.setenv("PATH", str(program))

    done = await installed(tmp_path / "home", files(meta=made_for(f"{major}.{minor - 1}")))

    here = InstalledPlugins(tmp_path / "home" / "plugins")
    assert list(here.environment(done.entry).glob(f"lib/python{major}.{minor}"))


@pytest.mark.slow
async def test_versions_are_told_apart_by_their_number_where_the_checksum_is_not_known(tmp_path: Path) -> None:
    one = (await installed(tmp_path / "home")).entry
    await installed(tmp_path / "home", files(version="0.0.2"))

    here = InstalledPlugins(tmp_path / "home" / "plugins")
    assert here.find(Identifier("tester/stand_in", "0.0.1", "00" * 32)) == one
    assert here.find(Identifier("tester/stand_in", "0.0.1", "")) == one


def _changing_source(version: str) -> bytes:
    """The source of a package, "built", whose build changes the libraries that stand in its environment already."""
    theirs = "Path(os.environ['TMPDIR']).glob('../../lib/*/site-packages/dify_plugin*.py')"
    changing = f"from pathlib import Path\n    left = [each.write_text('VERSION = None') for each in {theirs}], 1"
    source = {"backend.py": BACKEND.replace("left = os.fork()", changing), "pyproject.toml": PROJECT}
    source["PKG-INFO"] = "Metadata-Version: 2.1\nName: built\nVersion: 1.0\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in source.items():
            entry = tarfile.TarInfo(f"built-{version}/{name}")
            content = text.replace("measured", "built").replace("1.0", version).encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


@pytest.mark.slow
async def test_what_builds_a_package_changes_no_other_environment(tmp_path: Path) -> None:
    files_ = {"dify_plugin-0.1-py3-none-any.whl": packed(_library("0.1")), "built-1.0.tar.gz": _changing_source("1.0")}
    links = folder(tmp_path / "links", files_)
    hashes = {name.split("-")[0]: hashlib.sha256(content).hexdigest() for name, content in files_.items()}
    wanted = Requirements(
        (f"built==1.0 --hash=sha256:{hashes['built']}", f"dify-plugin==0.1 --hash=sha256:{hashes['dify_plugin']}")
    )
    uv = Uv(tmp_path / "cache", {"UV_FIND_LINKS": str(links), "UV_OFFLINE": "1"}, confine=False)

    place = await make_environment(wanted, tmp_path / "environments", python=OWN, uv=uv)

    other = await make_environment(Requirements(wanted.lines[1:]), tmp_path / "environments", python=OWN, uv=uv)

    said = {each: [path.read_text() for path in each.glob("lib/*/*/dify_plugin.py")] for each in (place, other)}
    assert said == {place: ["VERSION = None"], other: ["VERSION = '0.1'"]}
    bytecode = {each: [*each.glob("lib/*/*/__pycache__/dify_plugin.*.pyc")] for each in (place, other)}
    # That of the other is kept for further ones.
    assert [[path.stat().st_nlink for path in bytecode[each]] for each in (place, other)] == [[1], [2]]
    assert [*place.glob("lib/*/*/built.txt")] != []


@pytest.mark.slow
async def test_nor_does_it_where_wheels_were_tried_before_and_one_of_them_was_broken(tmp_path: Path) -> None:
    names = [f"dify_plugin{number}" for number in range(8)]
    files_ = {"built-1.1.tar.gz": _changing_source("1.1")}
    for name in (*names, "built"):
        wheel = {path.replace("dify_plugin", name): text for path, text in _library("1.0").items()}
        wheel[f"{name}-1.0.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
        if name == "built":
            wheel[f"{name}-1.0.dist-info/WHEEL"] = b"Wheel-Version: 9.0\n"
        files_[f"{name}-1.0-py3-none-any.whl"] = packed(wheel)
    links = folder(tmp_path / "links", files_)
    uv = Uv(tmp_path / "cache", {"UV_FIND_LINKS": str(links), "UV_OFFLINE": "1"}, confine=False)

    place = await make_environment(Requirements((*names, "built")), tmp_path / "environments", python=OWN, uv=uv)
    other = await make_environment(Requirements(tuple(names)), tmp_path / "environments", python=OWN, uv=uv)

    assert [*place.glob("lib/*/*/built.txt")] != []
    assert {path.read_text() for path in other.glob("lib/*/*/dify_plugin*.py")} == {"VERSION = '1.0'"}


def test_without_uv_as_in_the_slim_image_the_full_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)

    with pytest.raises(InvalidSettings, match="take the full image"):
        Uv(tmp_path, {}, confine=False)
