"""Configuration digests exchanged by servers."""

from pathlib import Path

import pytest

from jikko.assemble.configuration import configuration_of
from jikko.settings import Settings


@pytest.mark.parametrize("listed", [None, b"{", b'{"format": 1, "plugins": []}'])
def test_a_list_of_plugins_that_cannot_be_read_counts_as_missing(tmp_path: Path, listed: bytes | None) -> None:
    if listed is not None:
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "installed.json").write_bytes(listed)

    assert configuration_of(Settings(home=tmp_path)) == {"version": configuration_of(Settings())["version"]}


def test_values_that_may_be_secret_are_digests_and_sizes_of_a_machine_are_left_out(tmp_path: Path) -> None:
    told = configuration_of(
        Settings(
            home=tmp_path,
            http_proxy="http://user:hidden@proxy",
            plugins_market="https://market.example/?token=hidden",
            http_allow=("https://hidden.example",),
            max_steps=7,
            runs_memory=1 << 30,
        )
    )

    assert "hidden" not in repr(told)
    assert (set(told), told["max_steps"]) == ({"version", "http_allow", "max_steps"}, "7")
