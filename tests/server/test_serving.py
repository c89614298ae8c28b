"""What a server process does before it serves."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from jikko.dsl.load import LoadLimits
from jikko.errors import InvalidDocument
from jikko.server.publication import publish

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

    assembly = SimpleNamespace(apps=SimpleNamespace(publish_if_changed=refuse))
    with pytest.raises(InvalidDocument):
        await publish(assembly, [file])

    assert sizes == [most + 1]
