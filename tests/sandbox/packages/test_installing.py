"""Installing packages: whole or not at all."""

import json
import marshal
import os
import re
import shutil
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from jikko.assemble.packages import PackagesRefused, install_packages, installed_packages, remove_packages
from jikko.errors import Conflict, InvalidSettings
from jikko.sandbox.packages.installed import PackageFolder
from jikko.sandbox.packages.installing import BadRequirement, PackageInstaller, parse
from jikko.settings import Settings
from tests.sandbox.packages.wheels import BAD, wheel

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path, no_index: None) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture(scope="module")
async def one(anyio_backend: str, no_index: None, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the package ``one``, whose wheel lies beside it. It is read only."""
    folder = tmp_path_factory.mktemp("one")
    settings = Settings(home=folder / "home")
    await install(settings, wheel(folder, "one", "V = 1"))
    return settings


@pytest.fixture
def with_one(one: Settings, settings: Settings) -> Settings:
    """Settings of a data folder of the test's own, where ``one`` is installed."""
    shutil.copytree(one.packages_folder, settings.packages_folder)
    return settings


async def install(settings: Settings, *requirements: Path | str, files: tuple[Path, ...] = ()) -> list[str]:
    """Install, and say what was told."""
    lines: list[str] = []
    await install_packages(settings, map(str, requirements), files, lines.append)
    return lines


def versions(settings: Settings) -> dict[str, str]:
    found = installed_packages(settings)
    return {package.name: package.version for package in found.packages} if found else {}


def folders(settings: Settings) -> list[Path]:
    return [entry for entry in settings.packages_folder.iterdir() if entry.is_dir()]


@pytest.mark.slow
async def test_packages_are_added_replaced_and_removed(with_one: Settings, tmp_path: Path) -> None:
    assert versions(with_one) == {"one": "1.0"}
    await install(with_one, wheel(tmp_path, "Two_Words", "V = 2", "2.5"))
    assert versions(with_one) == {"one": "1.0", "two-words": "2.5"}
    await install(with_one, wheel(tmp_path, "one", "V = 3", "3.0"))
    assert versions(with_one) == {"one": "3.0", "two-words": "2.5"}
    await remove_packages(with_one, ["two.words"], lambda text: None)
    assert versions(with_one) == {"one": "3.0"}
    await remove_packages(with_one, ["one"], lambda text: None)
    assert versions(with_one) == {}
    assert len(folders(with_one)) == 1, "what was current before is gone"


@pytest.mark.slow
async def test_without_names_all_is_installed_again(with_one: Settings) -> None:
    [before] = folders(with_one)

    await install(with_one)

    [after] = folders(with_one)
    assert before != after
    assert versions(with_one) == {"one": "1.0"}


@pytest.mark.slow
@pytest.mark.every_python
def test_the_folder_is_read_only_and_says_what_it_is_for(one: Settings) -> None:
    [folder] = folders(one)
    modes = {path: path.stat().st_mode & 0o222 for path in (folder / "lib").rglob("*")}
    assert modes
    assert set(modes.values()) == {0}
    manifest = json.loads((one.packages_folder / "installed.json").read_text())
    assert manifest["folder"] == folder.name
    assert manifest["requested"] == [f"one @ {(one.home.parent / 'one-1.0-py3-none-any.whl').as_uri()}"]


@pytest.mark.slow
@pytest.mark.every_python
def test_what_programs_can_import_is_compiled_and_tests_of_packages_are_not(installed: Settings) -> None:
    [lib] = installed.packages_folder.glob("*/lib")
    sources = {path.relative_to(lib).as_posix(): path for path in lib.rglob("*.py")}
    compiled = {name for name, path in sources.items() if Path(cache_from_source(str(path))).exists()}

    assert sources.keys() - compiled == {"native/tests/__init__.py"}
    code = marshal.loads(Path(cache_from_source(str(sources["plain/late.py"]))).read_bytes()[16:])
    assert code.co_filename == str(sources["plain/late.py"]), "a traceback names the file"


@pytest.mark.slow
async def test_a_setting_names_another_folder(tmp_path: Path, no_index: None) -> None:
    settings = Settings(home=tmp_path / "home", packages=tmp_path / "else" / "where")

    await install(settings, wheel(tmp_path, "one", "V = 1"))

    assert (tmp_path / "else" / "where" / "installed.json").exists()
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
async def test_the_data_folder_may_be_named_from_where_one_is(
    tmp_path: Path, no_index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=Path("home"))

    await install(settings, wheel(tmp_path, "one", "V = 1"))

    assert versions(settings) == {"one": "1.0"}


@pytest.mark.slow
async def test_a_file_of_requirements_is_read(settings: Settings, tmp_path: Path) -> None:
    one, two = wheel(tmp_path, "one", "V = 1"), wheel(tmp_path, "two", "V = 2")
    file = tmp_path / "requirements.txt"
    file.write_text(f"# comment\n\none @ {one.as_uri()}  # why\ntwo @ {two.as_uri()}\n", encoding="utf-8-sig")

    await install(settings, files=(file,))

    assert versions(settings) == {"one": "1.0", "two": "1.0"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    # Of threads beside a fork, newer versions of Python warn.
    [
        pytest.param(name, marks=pytest.mark.every_python) if name in ("threading_one", "forking") else name
        for name in BAD
    ],
)
async def test_a_package_that_cannot_be_locked_is_refused_with_the_reason(
    name: str, with_one: Settings, tmp_path: Path
) -> None:
    program, reason = BAD[name]
    before = sorted(os.listdir(with_one.packages_folder))

    with pytest.raises(PackagesRefused, match=re.escape(reason)):
        await install(with_one, wheel(tmp_path, name, program))

    assert versions(with_one) == {"one": "1.0"}
    assert sorted(os.listdir(with_one.packages_folder)) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("torch", "torch cannot be used by programs: it works with threads"),
        ("Numba>=0.6", "numba cannot be used by programs: it compiles machine code"),
        ("aiohttp", "use requests or httpx, which need no installing"),
    ],
)
async def test_what_is_known_to_be_of_no_use_is_refused_before_anything_is_fetched(
    name: str, reason: str, settings: Settings
) -> None:
    with pytest.raises(PackagesRefused, match=re.escape(reason)):
        await install(settings, name)

    assert versions(settings) == {}


async def test_what_programs_have_anyway_is_not_installed(settings: Settings) -> None:
    assert await install(settings, "requests", "httpx>=0.27", "json_repair") == [
        "httpx needs no installing: code nodes have it",
        "json-repair needs no installing: code nodes have it",
        "requests needs no installing: code nodes have it",
    ]


async def test_what_no_index_has_is_told_in_the_words_of_the_installer(settings: Settings) -> None:
    with pytest.raises(PackagesRefused, match=r"could not install no-such-thing:\n(.|\n)*No matching distribution"):
        await install(settings, "no-such-thing")

    assert folders(settings) == []


@pytest.mark.parametrize(
    "text", ["", "-r x", "--index-url=http://h", "/no/such/file.whl", "http://h/a.whl", "日本", "a b"]
)
async def test_what_is_no_requirement_is_wrong_usage(text: str, settings: Settings) -> None:
    with pytest.raises(InvalidSettings):
        await install(settings, text)

    assert not settings.packages_folder.exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [("numpy", "numpy"), ("Scikit_Learn==1.0", "scikit-learn"), ("a.b[x,y] >= 2 ; python_version > '3'", "a-b")],
)
def test_a_requirement_has_the_name_of_its_package(text: str, name: str) -> None:
    assert list(parse([text])) == [name]


def test_an_option_is_no_requirement() -> None:
    with pytest.raises(BadRequirement, match="not a requirement"):
        parse(["--pre"])


@pytest.mark.slow
async def test_what_was_not_installed_by_name_cannot_be_removed(with_one: Settings) -> None:
    with pytest.raises(InvalidSettings, match="two was not installed by name; packages installed by name: one"):
        await remove_packages(with_one, ["two"], lambda text: None)


@pytest.mark.slow
async def test_two_cannot_change_a_folder_at_once(settings: Settings, tmp_path: Path) -> None:
    file = wheel(tmp_path, "one", "V = 1")

    with (
        PackageInstaller(PackageFolder(settings.packages_folder)).alone(),
        pytest.raises(Conflict, match="another process is changing"),
    ):
        await install(settings, file)

    await install(settings, file)
    assert versions(settings) == {"one": "1.0"}


@pytest.mark.slow
async def test_what_a_killed_install_left_behind_is_swept_by_the_next(settings: Settings, tmp_path: Path) -> None:
    installer = PackageInstaller(PackageFolder(settings.packages_folder))
    with installer.alone():
        installer.install(parse([str(wheel(tmp_path, "one", "V = 1"))]))
    assert versions(settings) == {}

    await install(settings, wheel(tmp_path, "two", "V = 2"))

    assert len(folders(settings)) == 1


async def test_without_pip_and_uv_as_in_the_slim_image_the_full_one_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setenv("PATH", str(settings.home))

    with pytest.raises(PackagesRefused, match="take the full image"):
        await install(settings, "one")
