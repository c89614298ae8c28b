"""A server of several is set up as docs/several-servers.md shows it."""

import shlex
from pathlib import Path

import pytest

from tests.acceptance.page_shell import Shell
from tests.page_blocks import Blocks, replaced

pytestmark = [pytest.mark.services, pytest.mark.once]


def test_the_lines_of_the_page_set_a_server_up(tmp_path: Path, several_settings: dict[str, str]) -> None:
    page = Blocks("docs/several-servers.md", "sh")
    *_, (up, _) = page.take("sudo apt-get install postgresql").commands()
    assert up == "jikko cluster up --servers 3"  # test_cluster_up.py does so
    commands = [command for command, _ in page.take("export JIKKO_DATABASE_URL=").commands()]
    text = replaced(
        "\n".join(commands),
        {
            "postgresql://jikko@db.example/jikko": shlex.quote(several_settings["JIKKO_DATABASE_URL"]),
            "nats://jikko:SECRET@nats1:4222,nats://nats2:4222,nats://nats3:4222": several_settings["JIKKO_NATS_URL"],
            "s3://jikko-files?endpoint=https://s3.example&region=eu-central-1": several_settings["JIKKO_FILES_URL"],
        },
    )
    given = {name: value for name, value in several_settings.items() if not name.startswith("JIKKO_")}

    *_, doctor, served = Shell(tmp_path, **given).says(text.splitlines())

    assert "FAILED" not in doctor
    assert "JetStream" in doctor
    assert " serves http://" in served
    page.end()
