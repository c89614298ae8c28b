"""What keeps one of several servers from starting, and what `jikko doctor --cluster` says of it."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.processes import Command, Server
from tests.cluster.nats_server import nats_running

pytestmark = pytest.mark.services
SERVE = ("serve", "--port", "0")


@pytest.mark.parametrize("missing", ["JIKKO_DATABASE_URL", "JIKKO_FILES_URL"])
def test_nats_alone_is_refused_with_what_it_needs(
    jikko: Command, several_settings: dict[str, str], missing: str
) -> None:
    refused = jikko(*SERVE, **{name: value for name, value in several_settings.items() if name != missing})

    assert (refused.code, "set database_url and files_url" in refused.err, refused.has_traceback) == (2, True, False)


def test_what_is_wrong_with_nats_is_said_at_the_start_and_by_the_doctor(
    jikko: Command, several_settings: dict[str, str]
) -> None:
    away = several_settings | {"JIKKO_NATS_URL": "nats://jikko:geheim@127.0.0.1:1"}
    with nats_running(jetstream=False) as server:
        plain = several_settings | {"JIKKO_NATS_URL": server.url}
        outcomes = [
            jikko(*command, **chosen) for chosen in (away, plain) for command in (SERVE, ("doctor", "--cluster"))
        ]

    for outcome in outcomes:
        assert (outcome.code != 0, outcome.has_traceback, "geheim" in outcome.out + outcome.err) == (True, False, False)
    assert "127.0.0.1:1 cannot be reached" in outcomes[0].err
    assert "127.0.0.1:1 cannot be reached" in outcomes[1].out
    assert "no JetStream" in outcomes[2].err
    assert "no JetStream" in outcomes[3].out


def test_the_doctor_looks_at_all_that_several_servers_need(jikko: Command, several_settings: dict[str, str]) -> None:
    found = {line["name"]: line for line in jikko("doctor", "--cluster", "--json", **several_settings).lines}

    assert {name for name in found if name != "settings"} == {"connections", "clock", "standby", "nats", "bucket"}
    assert [name for name, line in found.items() if not line["ok"]] == []
    assert found["standby"]["warning"] is True
    assert "JetStream" in found["nats"]["detail"]
    assert jikko("doctor", "--cluster").code == 1, "nothing is set"


def test_a_database_of_one_machine_is_shared_once_its_server_wants_it(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    alone = {name: value for name, value in several_settings.items() if name != "JIKKO_NATS_URL"}
    other = Command(tmp_path / "other")
    assert jikko("apps", "list", **alone).code == 0

    early = other(*SERVE, **several_settings)
    with closing(Server(jikko.home, settings=several_settings)), closing(Server(other.home, settings=several_settings)):
        pass
    late = jikko("apps", "list", **alone)

    assert (early.code, "belongs to the server of another data folder" in early.err) == (2, True)
    assert (late.code, "set nats_url" in late.err) == (2, True)


def test_a_dataset_of_one_machine_is_one_of_all(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    other = Command(tmp_path / "other")
    (tmp_path / "梟.txt").write_text("梟は夜に鳴く。\n\nOwls hunt at night.", encoding="utf-8")

    added = jikko("knowledge", "add", "動物", tmp_path / "梟.txt", "--technique", "economy", **several_settings)
    listed = other("knowledge", "list", "--json", **several_settings)
    found = other("knowledge", "search", "動物", "Owls", **several_settings)

    assert added.code == 0, added
    assert [line["name"] for line in listed.lines] == ["動物"]
    assert "Owls hunt at night." in found.out
