"""Installed packages in programs, under the lock."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.assemble.packages import install_packages, remove_packages
from jikko.assemble.sandboxes import package_folder, try_sandbox
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import MIB, SandboxLimits
from jikko.settings import Settings
from jikko.values import Json
from tests.effort import PATIENCE
from tests.sandbox.packages.wheels import wheel
from tests.sandbox.scene import descendants, kilobytes, outcome, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def sandbox(installed: Settings) -> AsyncIterator[ForkServerSandbox]:
    limits = SandboxLimits(wall_seconds=PATIENCE, memory_bytes=24 * MIB)
    made = ForkServerSandbox(limits, packages=package_folder(installed))
    yield made
    await made.close()


async def test_a_package_is_imported_before_the_program_asks(sandbox: ForkServerSandbox) -> None:
    code = "import sys\nbefore = 'plain' in sys.modules\nimport plain\ndef main(): return {'r': [before, plain.VALUE]}"

    assert await sandbox.run_code("python3", code, {}) == {"r": [True, 7]}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("from plain.late import told; r = told()", '{"日本": "😀"}'),
        ("import plain.sub.deep; r = plain.sub.deep.NAME", "plain.sub.deep"),
        ("import native._speedups as s; r = s.__name__", "native._speedups"),
        ("import plain; r = plain.__version__ if hasattr(plain, '__version__') else None", None),
    ],
)
async def test_its_other_modules_are_imported_from_memory(sandbox: ForkServerSandbox, line: str, result: Json) -> None:
    code = f"def main():\n    {line}\n    return {{'r': r}}"

    assert await sandbox.run_code("python3", code, {}) == {"r": result}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("r = open(os.path.join(here, 'data', 'words.txt'), encoding='utf-8').read()", "日本\n😀\n"),
        ("r = list(open(os.path.join(here, 'data', 'raw.bin'), 'rb').read())", [0, 1, 255]),
        ("r = (pathlib.Path(here) / 'data' / 'words.txt').read_text('utf-8').split()", ["日本", "😀"]),
        ("r = pkgutil.get_data('plain', 'data/raw.bin').hex()", "0001ff"),
        ("r = importlib.resources.files('plain.data').joinpath('words.txt').read_text('utf-8')", "日本\n😀\n"),
        ("p = os.path.join(here, 'data'); r = [os.path.isdir(p), os.path.exists(p + '/none'), sorted(os.listdir(p))]",
            [True, False, ["raw.bin", "words.txt"]]),
        ("f = open(os.path.join(here, 'data', 'raw.bin'), 'rb'); r = [os.path.basename(f.name), f.read(2).hex()]",
            ["raw.bin", "0001"]),
        ("r = os.path.getsize(os.path.join(here, 'data', 'raw.bin'))", 3),
        ("r = [line.strip() for line in open(here + '/data/../data/words.txt', 'r', -1, 'utf-8')]", ["日本", "😀"]),
    ],
)  # fmt: skip
async def test_files_of_packages_can_be_read(sandbox: ForkServerSandbox, line: str, result: Json) -> None:
    code = f"""
import importlib.resources, os, pathlib, pkgutil, plain, plain.data
here = os.path.dirname(plain.__file__)
def main():
    {line}
    return {{"r": r}}
"""

    assert await sandbox.run_code("python3", code, {}) == {"r": result}


@pytest.mark.parametrize(
    "line",
    [
        "open(here + '/data/words.txt', 'w')",
        "open(here + '/new.txt', 'w')",
        "open(here + '/../../state/x')",
        "open(here + '/../../../installed.json')",
        "open(here + '/data/../../../../../../etc/passwd')",
        "open('/etc/passwd')",
        "open(here)",
        "os.listdir('/')",
        "os.listdir(here + '/../..')",
        "os.stat('/etc/passwd')",
        "os.open(here + '/data/words.txt', 0)",
        "os.remove(here + '/data/words.txt')",
    ],
)
async def test_nothing_else_can_be_read_and_nothing_be_written(sandbox: ForkServerSandbox, line: str) -> None:
    code = f"import os, plain\nhere = os.path.dirname(plain.__file__)\ndef main():\n    return {{'r': str({line})}}"

    seen = await outcome(sandbox, "python3", code)

    assert seen.kind == "CodeExecutionError", seen
    assert "Error" in seen.error


async def test_a_native_module_that_comes_too_late_says_what_to_do(sandbox: ForkServerSandbox) -> None:
    seen = await outcome(sandbox, "python3", "def main():\n    import native.tests._speedups")

    assert "the import comes too late: name native.tests._speedups in JIKKO_PACKAGES_LOAD" in seen.error


async def test_a_module_that_a_package_does_not_have_is_just_not_found(sandbox: ForkServerSandbox) -> None:
    seen = await outcome(sandbox, "python3", "def main():\n    import plain.nothing")

    assert seen.error == "ModuleNotFoundError: No module named 'plain.nothing' (line 2)"


async def test_one_that_a_setting_names_is_loaded_ahead(installed: Settings) -> None:
    folder = package_folder(dataclasses.replace(installed, packages_load=("native.tests._speedups",)))
    made = ForkServerSandbox(packages=folder)
    try:
        code = "def main():\n    import native.tests._speedups as s\n    return {'r': s.__name__}"
        assert await made.run_code("python3", code, {}) == {"r": "native.tests._speedups"}
    finally:
        await made.close()


async def test_the_limit_of_memory_holds_beside_a_large_package(sandbox: ForkServerSandbox) -> None:
    fits = "import large\ndef main(): return {'r': len(bytearray(16 << 20)) + 0 * large.first()}"
    breaks = "import large\ndef main(): return {'r': len(bytearray(44 << 20))}"

    assert (await outcome(sandbox, "python3", fits)).result == {"r": 16 << 20}
    assert "broke the memory limit of 24 MiB" in (await outcome(sandbox, "python3", breaks)).error


UNMAPS = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
class Buffer(ctypes.Structure):
    _fields_ = [
        ("start", ctypes.c_void_p), ("owner", ctypes.c_void_p), ("size", ctypes.c_ssize_t),
        ("rest", ctypes.c_char * 128),
    ]
def main(flags):
    # Modules of the standard library: what is mapped and is no data, as the code of libraries is.
    content = next(finder for finder in sys.meta_path if hasattr(finder, "_block"))._block._content
    buffer = Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(content), ctypes.byref(buffer), 0)
    unmapped = libc.munmap(buffer.start, buffer.size)
    won = 0
    while won < 400 and libc.mmap(None, 1 << 20, 3, flags, -1, 0) not in (None, ctypes.c_void_p(-1).value):
        won += 1
    return {"unmapped": unmapped, "size": buffer.size >> 20, "won": won}
"""


async def test_no_memory_is_won_by_unmapping_what_is_no_data(sandbox: ForkServerSandbox) -> None:
    private, shared = [await outcome(sandbox, "python3", UNMAPS, {"flags": flags}) for flags in (0x22, 0x21)]

    assert isinstance(private.result, dict), private
    assert isinstance(shared.result, dict), shared
    assert private.result["unmapped"] == 0
    assert private.result["size"] >= 8
    # Its own, and what the runtime may need.
    assert private.result["won"] <= 24 + 16
    assert shared.result["won"] == 0


async def test_memory_without_a_file_is_private(sandbox: ForkServerSandbox) -> None:
    code = "import mmap\ndef main():\n    m = mmap.mmap(-1, 8192)\n    m.write(b'ab')\n    return {'r': m[:2].decode()}"

    assert (await outcome(sandbox, "python3", code)).result == {"r": "ab"}


async def test_memory_of_packages_is_shared_by_children(sandbox: ForkServerSandbox) -> None:
    await sandbox.run_code("python3", "def main(): return {}", {})
    server = sandbox.fork_server
    assert server is not None
    assert kilobytes(server.process_id, "Rss") > 48 << 10

    work = asyncio.create_task(sandbox.run_code("python3", "import time\ndef main(): time.sleep(600)", {}))
    try:
        await until(lambda: server.active == 1 and server.idle > 0)
        own = [kilobytes(child, "Private_Dirty") for child in descendants(server.process_id)]
    finally:
        work.cancel()
        await asyncio.wait([work])
    assert own
    assert max(own) < 24 << 10


async def test_the_self_test_passes_and_names_the_packages(installed: Settings) -> None:
    lines = {line.where: line for line in await try_sandbox(installed)}

    assert [line for line in lines.values() if not line.ok] == []
    assert lines["packages"].sentence() == "large 1.0, native 1.0, plain 1.0"
    assert lines["no executable memory"].ok


async def test_packages_of_another_python_are_left_out_and_doctor_says_so(installed: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    text = (installed.packages_folder / "installed.json").read_text()
    (folder / "installed.json").write_text(text.replace('"python": "', '"python": "other-'))
    settings = dataclasses.replace(installed, packages=folder)

    lines = {line.where: line for line in await try_sandbox(settings)}

    assert lines["packages"].severity == "warning"
    assert "run `jikko packages install` to install them again" in lines["packages"].sentence()
    assert lines["Python"].ok


@pytest.mark.once
async def test_a_damaged_list_of_packages_fails_programs_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "installed.json").write_text("{")
    settings = Settings(home=tmp_path)
    made = ForkServerSandbox(packages=package_folder(settings))
    try:
        with pytest.raises(SandboxFailure, match=r"installed\.json cannot be read .* run `jikko packages install`"):
            await made.run_code("python3", "def main(): return {}", {})
    finally:
        await made.close()
    [line] = await try_sandbox(settings)
    assert (line.where, line.ok) == ("packages", False)


@pytest.mark.slow
async def test_a_sandbox_that_runs_takes_over_what_is_installed_and_removed(tmp_path: Path, no_index: None) -> None:
    settings = Settings(home=tmp_path / "home")
    file = wheel(tmp_path, "coming", "VALUE = '日本'")
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE), packages=package_folder(settings))
    code = "import coming\ndef main(): return {'r': coming.VALUE}"
    try:
        assert "`jikko packages install coming` installs it" in (await outcome(made, "python3", code)).error
        await install_packages(settings, [str(file)], (), lambda text: None)
        # The first program that names it waits for it.
        assert (await outcome(made, "python3", code)).result == {"r": "日本"}
        await remove_packages(settings, ["coming"], lambda text: None)
        async with asyncio.timeout(PATIENCE):
            while "not installed" not in (await outcome(made, "python3", code)).error:
                pass
    finally:
        await made.close()


@pytest.mark.slow
async def test_a_package_that_takes_long_to_load_holds_up_no_program(tmp_path: Path, no_index: None) -> None:
    settings, mark = Settings(home=tmp_path / "home"), tmp_path / "mark"
    long = f"import os, time\nwhile os.path.exists({str(mark)!r}):\n    time.sleep(0.1)"
    made = ForkServerSandbox(SandboxLimits(wall_seconds=5), packages=package_folder(settings))
    code = "def main():\n    return {'r': __import__('json').dumps('日本', ensure_ascii=False)}"
    try:
        assert (await outcome(made, "python3", code)).result == {"r": '"日本"'}
        await install_packages(settings, [str(wheel(tmp_path, "long", long))], (), lambda text: None)
        mark.touch()
        async with asyncio.timeout(PATIENCE):
            assert (await outcome(made, "python3", code)).result == {"r": '"日本"'}
        assert "not installed" in (await outcome(made, "python3", "import long\ndef main(): return {}")).error
        mark.unlink()
        async with asyncio.timeout(PATIENCE):
            while (await outcome(made, "python3", "import long\ndef main(): return {}")).error:
                pass
    finally:
        await made.close()


@pytest.mark.once
async def test_a_sandbox_for_few_programs_loads_packages_once_one_may_be_imported(installed: Settings) -> None:
    async def after(*lines: str) -> Json:
        """Which packages a last program finds loaded."""
        code = "import sys\ndef main(): return {'r': sorted({'pla' + 'in', 'nat' + 'ive'} & {*sys.modules})}"
        limits = SandboxLimits(wall_seconds=PATIENCE)
        made = ForkServerSandbox(limits, packages=package_folder(installed), as_named=True)
        try:
            for line in lines:
                await made.run_code("python3", f"{line}\ndef main(): return {{'r': 1}}", {})
            return (await made.run_code("python3", code, {}))["r"]
        finally:
            await made.close()

    assert await after("x = 1") == []
    assert await after("x = 1", "import plain") == ["native", "plain"]
    assert await after("import importlib\nimportlib.import_module('pla' + 'in')") == ["native", "plain"]


@pytest.mark.once
async def test_where_nothing_is_installed_a_computed_import_starts_no_other_fork_server(tmp_path: Path) -> None:
    folder = package_folder(Settings(home=tmp_path / "home"))
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE), packages=folder, as_named=True)
    try:
        await made.run_code("python3", "def main(): return {}", {})
        first = made.fork_server
        await made.run_code("python3", "import importlib\nimportlib.import_module('json')\ndef main(): return {}", {})
        assert made.fork_server is first
    finally:
        await made.close()
