"""Publishing the files a server was started with: in order, with keys, and again on changes."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jikko.apps.keys import digest
from jikko.assemble import Assembly, assemble
from jikko.errors import Conflict, InvalidDocument, InvalidSettings
from jikko.server.one_process import Reloading
from jikko.server.startup_import import bring_keys, publish, to_try
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, node, start, template
from tests.runs.world import until

pytestmark = pytest.mark.anyio
KEY = "app-0123456789abcdefghijklmn"


def says(text: str, name: str = "挨拶") -> str:
    return app(name, [start("q"), template("t", text), end(said="t.output")], "start>t t>end")


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path / "home")) as made:
        yield made


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


async def test_each_app_gets_a_key_once_which_is_kept_for_its_owner_alone(
    assembly: Assembly, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [written(tmp_path, "1.yml", says("a", "One")), written(tmp_path, "2.yml", says("b", "Two"))]

    issued = await publish(assembly, files)
    again = await publish(assembly, files)

    assert ([each.name for each in issued], again) == (["One", "Two"], [])
    out = capsys.readouterr().out
    kept = sorted((tmp_path / "home" / "keys").iterdir())
    assert len(kept) == 2
    assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}
    for each, file in zip(issued, sorted(kept, key=lambda file: out.index(str(file))), strict=True):
        opened = await assembly.app_keys.authenticate(digest(file.read_text().strip()))
        assert opened.name == each.name
        assert f"{each.name}: key in {file}; `jikko apps keys {each.name} --new` makes another" in out
        assert file.read_text().strip() not in out
        assert each.decisive is None
    lines = to_try("http://h", issued)
    assert [line for line in lines if "#" in line] == ["  # One", "  # Two"]
    assert [line for line in to_try("http://h", issued[:1]) if "#" in line] == []


async def test_of_several_that_publish_an_app_without_a_key_one_makes_it(assembly: Assembly, tmp_path: Path) -> None:
    file = written(tmp_path, "1.yml", says("a"))
    [made] = await publish(assembly, [file])
    published = await assembly.apps.find(made.name)
    for key in await assembly.app_keys.of(published):
        await assembly.app_keys.revoke(published, key.id)

    issued = await asyncio.gather(*[publish(assembly, [file]) for _ in range(4)])

    assert sorted(len(each) for each in issued) == [0, 0, 0, 1]
    assert len(await assembly.app_keys.of(published)) == 1


async def test_on_a_terminal_a_key_is_shown_and_kept_nowhere(
    assembly: Assembly, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    [issued] = await publish(assembly, [written(tmp_path, "1.yml", says("a", "One"))])

    found = re.search(r"One: key (app-\w+)  \(shown only now\); `jikko apps keys One --new`", capsys.readouterr().out)
    assert found is not None
    assert (await assembly.app_keys.authenticate(digest(found[1]))).name == "One"
    assert found[1] in issued.authorization
    assert not (tmp_path / "home" / "keys").exists()


async def test_two_files_of_one_app_in_one_call_are_refused_and_nothing_is_published(
    assembly: Assembly, tmp_path: Path
) -> None:
    files = [written(tmp_path, f"{name}.yml", says(name, "Same")) for name in "ab"]

    with pytest.raises(Conflict, match="Same"):
        await publish(assembly, [*files, written(tmp_path, "c.yml", says("c", "Other"))])

    assert await assembly.apps.all() == []
    assert len(await publish(assembly, files[:1])) == 1


@pytest.mark.parametrize("wrong", ["app: [", None, says("b", "One").replace('"mode": "workflow"', '"mode": "chat"')])
async def test_all_files_are_checked_before_the_first_is_published(
    assembly: Assembly, tmp_path: Path, wrong: str | None
) -> None:
    await publish(assembly, [written(tmp_path, "1.yml", says("a", "One"))])
    new, bad = written(tmp_path, "2.yml", says("c", "日本 🍊")), tmp_path / "bad.yml"
    if wrong is not None:
        bad.write_text(wrong, encoding="utf-8")

    with pytest.raises((InvalidDocument, InvalidSettings, Conflict)):
        await publish(assembly, [new, bad])

    assert [known.name for known in await assembly.apps.all()] == ["One"]


async def test_a_wrong_file_is_named_and_one_that_is_not_there_too(assembly: Assembly, tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument):
        await publish(assembly, [written(tmp_path, "bad.yml", "app: [")])
    with pytest.raises(Exception, match=r"gone\.yml: cannot be read: No such file"):
        await publish(assembly, [tmp_path / "gone.yml"])


@pytest.mark.parametrize("in_file", [False, True])
async def test_keys_from_outside_open_apps_and_no_other_is_made(
    assembly: Assembly, tmp_path: Path, in_file: bool
) -> None:
    file = written(tmp_path, "1.yml", says("a", "One"))
    await publish(assembly, [file])
    lines = f"# keys\nOne = {KEY}\n"
    setting = str(written(tmp_path, "keys.txt", lines)) if in_file else lines

    await bring_keys(assembly, setting)
    await bring_keys(assembly, setting)  # the same again

    assert (await assembly.app_keys.authenticate(digest(KEY))).name == "One"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("no-such-file", "is neither a list of `APP = KEY` lines nor a file that can be read (No such file"),
        (f"Nobody = {KEY}", "Nobody"),
        ("/", "is neither a list of `APP = KEY` lines nor a file that can be read (Is a directory"),
        (f"One = {KEY}\nOne = short", "line 2 is not APP = KEY"),
    ],
)
async def test_keys_that_cannot_be_brought_are_refused_and_not_told(
    assembly: Assembly, tmp_path: Path, setting: str, says: str
) -> None:
    await publish(assembly, [written(tmp_path, "1.yml", app("One", [start("q"), end()], "start>end"))])

    with pytest.raises(InvalidSettings) as refused:
        await bring_keys(assembly, setting)

    assert says in str(refused.value)
    assert str(refused.value).startswith("JIKKO_KEYS")
    assert KEY not in str(refused.value)


async def test_a_key_of_bytes_that_are_no_text_is_refused(assembly: Assembly, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match="is not UTF-8 text"):
        await bring_keys(assembly, str(tmp_path / "keys"))
    await bring_keys(assembly, " \n ")  # nothing


async def test_why_every_run_will_fail_is_found_before_the_first(assembly: Assembly, tmp_path: Path) -> None:
    nodes = [
        start("q"),
        node("u", "tool", provider_id="x", provider_type="api", provider_name="x", tool_name="t"),
        end(),
    ]
    file = written(tmp_path, "1.yml", app("Lacks", nodes, "start>u u>end"))

    [issued] = await publish(assembly, [file])

    assert issued.decisive is not None
    assert issued.decisive.node == "u"
    written_at = file.read_text(encoding="utf-8").splitlines()
    assert issued.decisive.line is None or 1 <= issued.decisive.line <= len(written_at)


async def test_a_file_that_changes_is_published_again_and_a_wrong_one_is_told(
    assembly: Assembly, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = written(tmp_path, "1.yml", says("a", "One")), written(tmp_path, "2.yml", says("b", "Two"))
    await publish(assembly, [file, other])
    watching = asyncio.ensure_future(Reloading([file, other]).watch(assembly, every=0.001))
    errors = ""

    async def version(name: str) -> Any:
        return (await assembly.apps.version(await assembly.apps.find(name), "")).number

    def is_logged(text: str) -> bool:
        nonlocal errors
        errors += capsys.readouterr().err
        return text in errors

    async def published(number: int) -> None:
        while await version("One") != number:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    try:
        await asyncio.sleep(0)
        written(tmp_path, "new", says("a2", "One"))
        os.replace(tmp_path / "new", file)
        await published(2)
        file.unlink()  # as an editor may do for a moment
        written(tmp_path, "1.yml", "app: [")
        await until(lambda: is_logged("not published: "))
        written(tmp_path, "1.yml", says("a3", "One"))
        await published(3)
    finally:
        watching.cancel()

    assert await version("Two") == 1
