"""The address policy at work, with names and real sockets."""

import socket

import pytest

from jikko.outbound import guard
from jikko.outbound.guard import AddressRefused, Guard, GuardedResolver, look_up
from jikko.outbound.policy import parse_allow
from jikko.ports.http import HttpFailure
from tests.outbound.clients import Names, client, get
from tests.outbound.server import answer, serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_loopback_is_not_reached_however_it_is_spelled(host: str) -> None:
    async with serving({"/": answer()}) as server, client(allow=()) as http:
        with pytest.raises(HttpFailure, match=r"may not be reached: it is .*JIKKO_HTTP_ALLOW") as caught:
            await http.send(get(server.url("/", host=host)))

    assert caught.value.kind == "address"
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_the_setting_opens_every_spelling(host: str) -> None:
    async with serving({"/": answer(b"ok")}) as server, client(allow=["127.0.0.1"]) as http:
        assert (await http.send(get(server.url("/", host=host)))).body == b"ok"


async def test_localhost_is_judged_by_its_addresses() -> None:
    async with serving({"/": answer(b"ok")}) as server:
        async with client(allow=()) as closed:
            with pytest.raises(HttpFailure, match='of "localhost" may not be reached: it is loopback'):
                await closed.send(get(server.url("/", host="localhost")))
        async with client() as opened:
            assert (await opened.send(get(server.url("/", host="localhost")))).body == b"ok"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%lo", "64:ff9b::7f00:1"]
)
async def test_a_name_of_a_private_address_is_refused(address: str) -> None:
    names = Names(trap=[[address]])
    async with serving({"/": answer()}) as server, client(allow=(), resolve=names) as http:
        with pytest.raises(HttpFailure, match=r'of "trap\.test" may not be reached') as caught:
            await http.send(get(server.url("/", host="trap.test")))

    assert caught.value.kind == "address"
    assert server.connections == 0


async def test_of_several_addresses_only_those_allowed_are_tried() -> None:
    names = Names(mixed=[["10.255.255.1", "127.0.0.1", "::1"]])
    async with serving({"/": answer(b"ok")}) as server, client(resolve=names) as http:
        assert (await http.send(get(server.url("/", host="mixed.test")))).body == b"ok"


async def test_an_answer_of_the_name_service_that_is_no_address_is_passed_over() -> None:
    names = Names(odd=[["not an address", "127.0.0.1"]])
    async with serving({"/": answer(b"ok")}) as server, client(resolve=names) as http:
        assert (await http.send(get(server.url("/", host="odd.test")))).body == b"ok"


async def test_a_name_of_an_ipv6_address_is_connected_to() -> None:
    names = Names(six=[["::1"]])
    async with serving({"/": answer(b"ok")}, host="::1") as server, client(allow=["::1"], resolve=names) as http:
        assert (await http.send(get(server.url("/", host="six.test")))).body == b"ok"


async def test_of_several_addresses_that_are_refused_the_first_is_named() -> None:
    names = Names(both=[["10.0.0.1", "192.168.0.1"]])
    async with client(resolve=names) as http:
        with pytest.raises(HttpFailure, match=r"The address 10\.0\.0\.1 of"):
            await http.send(get("http://both.test/"))


async def test_a_name_of_a_refused_address_is_refused_before_a_connection_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Guard, "open_socket", lambda self, info: socket.socket(*info[:3]))
    names = Names(trap=[["127.0.0.1"]])
    async with serving({"/": answer()}) as server, client(allow=(), resolve=names) as http:
        with pytest.raises(HttpFailure, match="may not be reached") as caught:
            await http.send(get(server.url("/", host="trap.test")))

    assert caught.value.kind == "address"
    assert server.connections == 0


async def test_a_name_that_is_rebound_is_judged_anew_for_each_connection() -> None:
    names = Names(rebound=[["10.0.0.1"], ["127.0.0.1"]])
    async with serving({"/": answer(b"ok", Connection="close")}) as server, client(resolve=names) as http:
        url = server.url("/", host="rebound.test")
        with pytest.raises(HttpFailure, match=r"10\.0\.0\.1"):
            await http.send(get(url))
        assert (await http.send(get(url))).body == b"ok"
        # The name service is not asked between check and connection: what was checked is what is connected to.
        assert (await http.send(get(url))).body == b"ok"

    assert names.asked == ["rebound.test", "rebound.test"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_an_address_that_got_past_the_look_up_is_refused_where_the_connection_is_made(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    unguarded = GuardedResolver
    monkeypatch.setattr(guard, "GuardedResolver", lambda guard, find: unguarded(None, find))
    names = Names(trap=[[address]])
    async with serving({"/": answer()}) as server, client(allow=(), resolve=names) as http:
        with pytest.raises(HttpFailure, match="may not be reached") as caught:
            await http.send(get(server.url("/", host="trap.test")))

    assert caught.value.kind == "address"
    assert (names.asked, server.connections) == (["trap.test"], 0)


@pytest.mark.parametrize(
    ("family", "target"),
    [
        (socket.AF_INET, ("127.0.0.1", 80)),
        (socket.AF_INET6, ("::ffff:127.0.0.1", 80, 0, 0)),
        (socket.AF_INET6, ("fe80::1%lo", 80, 0, 1)),
    ],
)
def test_no_socket_is_made_for_an_address_that_is_refused(family: int, target: tuple[object, ...]) -> None:
    with pytest.raises(AddressRefused, match="may not be reached"):
        Guard(()).open_socket((family, socket.SOCK_STREAM, 0, "", target))


def test_a_socket_is_made_for_an_address_that_is_allowed() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))
    with Guard(parse_allow(["127.0.0.1"])).open_socket(info) as made:
        assert made.family == socket.AF_INET


async def test_a_name_that_does_not_exist_is_told() -> None:
    async with client(resolve=Names()) as http:
        with pytest.raises(HttpFailure, match=r"No host nowhere\.test.*Name or service not known") as caught:
            await http.send(get("http://nowhere.test/?token=secret"))

    assert caught.value.kind == "connect"
    assert "secret" not in str(caught.value)


async def test_the_name_service_of_the_system_knows_localhost() -> None:
    assert {"127.0.0.1", "::1"} & set(await look_up("localhost", 80))
