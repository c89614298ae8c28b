"""``jikko keys`` for several servers, whose signing keys of file links are in their database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.faults import until
from tests.acceptance.processes import Command
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.workflows import ECHO

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def several(tmp_path: Path, several_settings: dict[str, str]) -> Iterator[SeveralServers]:
    servers = SeveralServers(tmp_path, {"echo": ECHO}, {**several_settings, **NOBODY_GOES}, count=2)
    yield servers
    servers.close()


def uploaded(client: Client) -> str:
    """Upload a file. Returns where it can be fetched."""
    file = ("a.txt", "請求書 🧾".encode(), "text/plain")
    answer = client.request("POST", "/v1/files/upload", files={"file": file}, data={"user": client.user}).json()
    return "/files/" + str(answer["source_url"]).partition("/files/")[2]


def test_all_servers_sign_with_a_new_key_and_forget_the_older(
    several: SeveralServers, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    one, other = [several.client("echo", server) for server in several.servers]
    elsewhere = Command(tmp_path / "operator")
    before = uploaded(one)

    def statuses(*links: str) -> list[int]:
        return [client.request("GET", link).status_code for client in (one, other) for link in links]

    [rotated] = elsewhere("keys", "rotate", "--json", **several_settings).lines
    assert (rotated, statuses(before, uploaded(one), uploaded(other))) == ({"older_keys": 1}, [200] * 6)
    forgotten = elsewhere("keys", "forget", **several_settings)
    assert (forgotten.code, forgotten.out.strip()) == (0, "1 older key removed.")

    # Each looks every two seconds, or as soon as a busy machine lets it.
    until(lambda: 200 not in statuses(before), "both refuse what the older key signed")
    until(lambda: statuses(uploaded(one), uploaded(other)) == [200] * 4, "both sign with the new one")


def test_before_a_server_has_started_there_is_nothing_to_rotate(
    jikko: Command, several_settings: dict[str, str]
) -> None:
    refused = jikko("keys", "rotate", **several_settings)

    assert (refused.code, "has no tables of Jikko" in refused.err, refused.has_traceback) == (1, True, False)
