"""The folder that a plugin writes: the server follows no link in it, and removes it whatever is in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.plugins.process.plugin_launch import make_state
from jikko.ports.tools import ToolFailure
from tests.plain_user import USERS, as_user, folder_of
from tests.plugins.calling import world
from tests.plugins.packages import files
from tests.plugins.world import installed, packages

pytestmark = [pytest.mark.anyio, pytest.mark.once]
UID = 64_900


@pytest.fixture(params=USERS, ids=["as it is", "plain user"])
def user(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def place(user: int) -> Iterator[Path]:
    with folder_of(user) as made:
        yield made


@pytest.mark.parametrize("planted", ["home", "tmp", "."])
def test_a_link_in_the_place_of_a_folder_gives_nothing_of_roots_to_the_plugin(
    place: Path, user: int, planted: str
) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    before = elsewhere.stat()
    state = place / "state"
    if planted != ".":
        assert as_user(user, state.mkdir) == ""
    (state / planted).symlink_to(elsewhere)

    error = as_user(user, lambda: make_state(state, UID))

    assert "a link, which the server does not follow: remove it" in error
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode) == (before.st_uid, before.st_mode)
    assert list(elsewhere.iterdir()) == []


def test_a_folder_is_made_once_and_closed_to_others(place: Path, user: int) -> None:
    for _ in range(2):
        assert as_user(user, lambda: make_state(place / "plugins" / "state", user)) == ""
    for name in (".", "home", "tmp"):
        found = (place / "plugins" / "state" / name).stat()
        assert found.st_mode & 0o777 == 0o700
        assert found.st_uid == place.stat().st_uid


PLANT = """
import os
home = os.environ["HOME"]
os.rename(home, home + "-away")
os.symlink(given["to"], home)
os._exit(3)
"""


async def test_a_plugin_that_plants_a_link_fails_from_then_on_and_says_what_to_remove(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "root's"
    await installed(home)
    elsewhere.mkdir()
    before = elsewhere.stat()
    async with world(home) as here:
        with pytest.raises(ToolFailure, match="status 3"):
            await here.messages_of("run", code=PLANT, to=str(elsewhere))
    async with world(home) as here:
        with pytest.raises(ToolFailure, match=r"home.*the server does not follow: remove it"):
            await here.messages_of("echo", words="お茶")
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode) == (before.st_uid, before.st_mode)


DEEP = """
import os
os.chdir(os.environ["HOME"])
for _ in range(1500):
    os.mkdir("a name of some length")
    os.chdir("a name of some length")
os.symlink(given["to"], os.environ["TMPDIR"] + "/link")
os._exit(3)
"""


async def test_a_removed_plugin_leaves_no_folder_however_deep_and_no_link_of_it_is_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "root's"
    await installed(home)
    elsewhere.mkdir()
    (elsewhere / "秘密.txt").write_text("secret")
    async with world(home) as here:
        with pytest.raises(ToolFailure):
            await here.messages_of("run", code=DEEP, to=str(elsewhere))
    async with packages(home) as made:
        assert made.remove("tester/stand_in")
    assert list((home / "plugins" / "state").iterdir()) == []
    assert (elsewhere / "秘密.txt").read_text() == "secret"


async def test_installing_runs_code_of_packages_under_the_lock_only(tmp_path: Path) -> None:
    """A ``.pth`` file of a package is run at each start of its environment's Python, also to compile the plugin."""
    home, ran = tmp_path / "home", tmp_path / "ran"
    first = await installed(home)
    environment = home / "plugins" / "environments" / first.entry.environment
    [packages_folder] = environment.glob("lib/python*/site-packages")
    (packages_folder / "planted.pth").write_text(f"import os; open({str(ran)!r}, 'w')\n")

    second = await installed(home, files(version="0.0.2"))

    assert second.entry.environment == first.entry.environment
    assert not ran.exists()
