"""A NATS that lets its users have less than several servers need."""

from pathlib import Path

import msgspec
import pytest

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.streams import Names
from jikko.errors import InvalidSettings
from jikko.ports.cluster import EventsAppended, StopRun
from tests.cluster.nats_group import NatsGroup
from tests.cluster.test_nats_access import PASSWORD, addressed, configured

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.nats]


@pytest.mark.parametrize(
    ("limits", "advice"),
    [
        ("max_mem: 64M, max_file: 64M, max_streams: 2", "let its account keep five streams"),
        ("max_mem: 0, max_file: 64M", "in memory and on disk"),
        ("max_mem: 64M, max_file: 0", "in memory and on disk"),
        ("max_mem: 64M, max_file: 64M, max_bytes_required: true", "leave max_bytes_required out of its account"),
        ("", "JetStream not enabled for account; allow it there"),
    ],
)
async def test_an_account_that_may_keep_too_little_is_told_with_what_to_allow(
    tmp_path: Path, limits: str, advice: str
) -> None:
    users = f"users: [{{ user: jikko, password: {PASSWORD} }}]"
    kept = f"jetstream: {{ {limits} }}, " if limits else ""
    with configured(tmp_path, f"accounts {{ A {{ {kept}{users} }} }}") as server:
        url = addressed(server, user="jikko")
        for tried in (NatsLink.look(url), opened(url)):
            with pytest.raises(
                InvalidSettings, match=rf"NATS at 127\.0\.0\.1:\d+ cannot be used: .*{advice}"
            ) as refused:
                await tried
            assert PASSWORD not in str(refused.value)


async def test_one_that_takes_short_messages_only_is_told(tmp_path: Path) -> None:
    with configured(tmp_path, "max_payload: 4096") as server:
        for tried in (NatsLink.look(server.url), opened(server.url)):
            with pytest.raises(InvalidSettings, match=r"messages of 4096 bytes; raise max_payload to 65536 or more\."):
                await tried


async def test_events_that_are_too_long_for_a_message_are_to_be_read(tmp_path: Path) -> None:
    with configured(tmp_path, "max_payload: 65536") as server:
        group = NatsGroup(server.url)
        try:
            (one, _), (other, its) = await group.start(), await group.start()
            for length, answer in ((100, EventsAppended), (100_000, bool)):
                its.answer = EventsAppended(msgspec.Raw(msgspec.json.encode(["x" * length])))
                assert isinstance(await one.request(other.name, StopRun(run_id="r", error="")), answer)
        finally:
            await group.close()


async def opened(url: str) -> None:
    link = await NatsLink.open(url, Names("limits"), member_seconds=1, per_minute=1, name="test")
    await link.close()
