"""Server process before it serves."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.apps.environment import layer
from jikko.assemble import assemble
from jikko.dsl.load import LoadLimits
from jikko.errors import InvalidDocument
from jikko.server.startup_import import publish
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, start, with_environment

pytestmark = pytest.mark.anyio


async def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_that(tmp_path: Path) -> None:
    most = LoadLimits().max_bytes
    file = tmp_path / "flow.yml"
    with file.open("wb") as opened:
        opened.truncate(10 * most)
    sizes = []

    async def refuse(text: bytes, source: str) -> None:
        sizes.append(len(text))
        raise InvalidDocument(source, ())

    assembly: Any = SimpleNamespace(apps=SimpleNamespace(publish_if_changed=refuse))
    with pytest.raises(InvalidDocument):
        await publish(assembly, [file])

    assert sizes == [most + 1]


@dataclass
class Started:
    """A server that is about to serve some apps, and what it warns of."""

    home: Path
    files: list[Path] = field(default_factory=list)

    def app(self, name: str, **variables: tuple[str, Any]) -> None:
        """An app with environment variables, each with its type and its value."""
        file = self.home / f"{len(self.files)}.yml"
        nodes = [start("q"), end(out="start.q")]
        file.write_text(with_environment(app(name, nodes, "start>end"), **variables), encoding="utf-8")
        self.files.append(file)

    async def warned(self, capsys: pytest.CaptureFixture[str], **settings: Any) -> list[str]:
        async with assemble(Settings(home=self.home / "data", **settings)) as assembly:
            await publish(assembly, self.files)
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    return Started(tmp_path)


async def test_secrets_without_a_value_are_named_and_how_they_are_given_one(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    started.app("Plain", limit=("number", 1))
    started.app("Has one", key=("secret", "sk-1"))
    started.app("Lacks some (EU)", key=("secret", ""), other=("secret", "x"), third=("secret", ""))

    warned = await started.warned(capsys)

    assert warned == [
        "warning: Lacks some (EU): secret key is empty; set JIKKO_ENV_LACKS_SOME_EU_KEY, "
        "or use `jikko apps env 'Lacks some (EU)' key=…`",
        "warning: Lacks some (EU): secret third is empty; set JIKKO_ENV_LACKS_SOME_EU_THIRD, "
        "or use `jikko apps env 'Lacks some (EU)' third=…`",
    ]
    assert await started.warned(capsys, env=(layer("JIKKO_ENV_", {"KEY": "k", "third": "t"}),)) == []


async def test_values_that_no_app_takes_are_named_also_where_no_app_has_secrets(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    started.app("One", limit=("number", 1))
    started.app("Two", word=("string", "a"))
    given = layer("JIKKO_ENV_", {"ONE_LIMIT": "2", "WORD": "b", "TWO_LIMIT": "3", "WROD": "c"})

    warned = await started.warned(capsys, env=(given,))

    assert warned == [
        "warning: JIKKO_ENV_TWO_LIMIT: no app has such an environment variable (did you mean 'ONE_LIMIT'?)",
        "warning: JIKKO_ENV_WROD: no app has such an environment variable (did you mean 'WORD'?)",
    ]


async def test_a_value_of_another_type_is_named_and_keeps_no_other_app_from_being_looked_at(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    started.app("Counts", limit=("number", 1))
    await started.warned(capsys)
    started.files.clear()
    started.app("Says", key=("secret", ""))

    warned = await started.warned(capsys, env=(layer("JIKKO_ENV_", {"LIMIT": "many"}),))

    # That no app has LIMIT would not be true.
    about, empty = sorted(warned)
    assert about.startswith("warning: Counts: ")
    assert "LIMIT" in about
    assert empty.startswith("warning: Says: secret key is empty")
