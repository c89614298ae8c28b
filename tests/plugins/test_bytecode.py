"""Bytecode shared by environments: compiled by Jikko, never by a package."""

import os
import py_compile
import shutil
import subprocess
from pathlib import Path

import pytest

from jikko.plugins.install.uv import Bytecode
from jikko.plugins.install.virtual_environment import OWN

pytestmark = pytest.mark.anyio


def package(folder: Path, text: str, *, like: Path | None = None) -> Path:
    """A package of one module; with ``like``, of the same age as that of another environment, as uv links them."""
    module = folder / "package" / "蜂.py"
    module.parent.mkdir(parents=True)
    module.write_text(text)
    if like is not None:
        shutil.copystat(like, module)
    return module


def bytecode_of(module: Path) -> list[Path]:
    return list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"))


def imported(module: Path) -> str:
    """What a program prints that imports the module, which it does from bytecode alone if that is right."""
    program = f"import sys; sys.path.insert(0, {str(module.parent)!r}); import {module.stem} as m; print(m.SAID)"
    done = subprocess.run([OWN, "-I", "-B", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def test_a_file_that_two_environments_have_is_compiled_once(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    one = package(tmp_path / "one", "SAID = '🐝'\n")
    other = package(tmp_path / "other", "SAID = '🐝'\n", like=one)

    await bytecode.compile(tmp_path / "one", OWN)
    await bytecode.compile(tmp_path / "other", OWN)

    [first], [second] = bytecode_of(one), bytecode_of(other)
    assert first.samefile(second)
    assert imported(other) == "🐝"


async def test_another_content_of_the_same_age_and_size_has_bytecode_of_its_own(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    one = package(tmp_path / "one", "SAID = 'a'\n")
    other = package(tmp_path / "other", "SAID = 'b'\n", like=one)

    await bytecode.compile(tmp_path / "one", OWN)
    await bytecode.compile(tmp_path / "other", OWN)

    assert (imported(one), imported(other)) == ("a", "b")


async def test_bytecode_that_a_package_brings_reaches_no_other_environment(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    evil = package(tmp_path / "evil", "SAID = 'good'\n")
    lie = evil.with_name("lie.py")
    lie.write_text("SAID = 'evil'\n")
    shutil.copystat(evil, lie)
    py_compile.compile(str(lie), cfile=py_compile.compile(str(evil)))
    other = package(tmp_path / "other", "SAID = 'good'\n", like=evil)

    await bytecode.compile(tmp_path / "evil", OWN)
    await bytecode.compile(tmp_path / "other", OWN)

    assert imported(evil) == "evil"
    assert imported(other) == "good"


async def test_bytecode_behind_a_link_is_not_kept_for_the_source_before_it(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    good = package(tmp_path / "attacker" / "a", "SAID = 'good'\n")
    evil = package(tmp_path / "attacker" / "b", "SAID = 'evil'\n", like=good)
    (good.parent / "__pycache__").symlink_to(evil.parent / "__pycache__")
    other = package(tmp_path / "other", "SAID = 'good'\n", like=good)

    await bytecode.compile(tmp_path / "attacker", OWN)
    await bytecode.compile(tmp_path / "other", OWN)

    assert imported(evil) == "evil"
    assert imported(other) == "good"


@pytest.mark.parametrize("confine", [True, False])
@pytest.mark.parametrize("linked", ["package/__pycache__", "package", ""])
async def test_nothing_is_written_where_a_link_leads(linked: str, confine: bool, tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=confine)
    first = package(tmp_path / "first", "SAID = '蜂'\n")
    await bytecode.compile(tmp_path / "first", OWN)
    victim = package(tmp_path / "victim", "SAID = '蜂'\n", like=first)
    (victim.parent / "__pycache__").mkdir()
    attacker = package(tmp_path / "attacker", "SAID = '蜂'\n", like=first)
    place = tmp_path / "attacker" / linked
    if place.exists():
        shutil.rmtree(place)
    place.symlink_to(tmp_path / "victim" / linked)
    assert attacker.exists()

    await bytecode.compile(tmp_path / "attacker", OWN)

    assert bytecode_of(victim) == []


async def test_where_code_of_packages_has_run_bytecode_is_made_for_that_environment_alone(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    one, built, other = (package(tmp_path / name, "SAID = '🐝'\n") for name in ("one", "built", "other"))
    shutil.copystat(one, built)
    os.utime(other, (1, 1))
    same = package(tmp_path / "same", "SAID = '🐝'\n", like=other)
    await bytecode.compile(tmp_path / "one", OWN)

    await bytecode.compile(tmp_path / "built", OWN, shared=False)
    await bytecode.compile(tmp_path / "other", OWN, shared=False)
    await bytecode.compile(tmp_path / "same", OWN)

    links = [path.stat().st_nlink for module in (one, built, other, same) for path in bytecode_of(module)]
    assert links == [2, 1, 1, 2]
    assert [imported(module) for module in (built, other, same)] == ["🐝"] * 3


async def test_a_pipe_in_the_place_of_a_source_is_left_out(tmp_path: Path) -> None:
    module = package(tmp_path / "one", "SAID = '🐝'\n")
    os.mkfifo(module.with_name("pipe.py"))

    await Bytecode(tmp_path / "kept", confine=False).compile(tmp_path / "one", OWN)

    assert imported(module) == "🐝"
    assert len(bytecode_of(module)) == 1


async def test_what_no_environment_has_any_more_is_swept(tmp_path: Path) -> None:
    bytecode = Bytecode(tmp_path / "kept", confine=False)
    package(tmp_path / "gone", "SAID = 'gone'\n")
    stays = package(tmp_path / "stays", "SAID = 'stays'\n")
    await bytecode.compile(tmp_path / "gone", OWN)
    await bytecode.compile(tmp_path / "stays", OWN)
    shutil.rmtree(tmp_path / "gone")

    bytecode.sweep()

    [kept] = (path for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert [kept.stat().st_ino] == [path.stat().st_ino for path in bytecode_of(stays)]
