"""Requests of thousands of connections, with upgrades and oddities, are those of h11, however they are split."""

from random import Random
from typing import Final

import h11
import pytest

from tests.server.connections.readings import Reading, Request, differences, read_here, request
from tests.server.connections.request_corpus import COUNT, SEED, Connection, corpus, pieces

LENIENT: Final = {
    "two spaces in the request line": "RFC 9112, 3: words may be split at any white space; the parser does not tell",
    "an empty line before a request": "RFC 9112, 2.2: is to be ignored",
    "several empty lines before a request": "RFC 9112, 2.2: one is to be ignored; they are bounded as a head is",
    "a line feed before a request": "RFC 9112, 2.2: may be the end of a line; here of an empty one alone",
    "a carriage return before a request": "RFC 9112, 2.2: no part of a line that counts",
    "another protocol": "RFC 9112, 2.3: is read as HTTP of that version; the parser does not tell",
    "another protocol with a method of its own": "RFC 9112, 2.3: likewise",
    "a fragment": "RFC 9112, 3.2: no part of a target; it is left out",
    "a size of very many digits": "RFC 9112, 7.1: has no bound; here that of a head",
}
"""What we read and h11 refuses, or reads in another way: why we may."""


def read_by_h11(data: bytes) -> Reading:
    """What h11 makes of it, if each request is answered without a change of protocol."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    found: list[Request] = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                found.append(request(event.method.decode(), event.target.decode("latin-1"), event.headers))
            elif isinstance(event, h11.Data):
                found[-1] = found[-1]._replace(body=found[-1].body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                found[-1] = found[-1]._replace(is_whole=True)
                connection.send(h11.Response(status_code=501, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE:
                    return Reading(found, "closed")
                connection.start_next_cycle()
            else:
                return Reading(found, "open")
    except h11.RemoteProtocolError:
        return Reading(found, "refused")


@pytest.fixture(scope="module")
def connections() -> list[Connection]:
    return list(corpus(Random(SEED), COUNT))


def test_it_reads_what_h11_reads_or_refuses_it_or_may_be_lenient(connections: list[Connection]) -> None:
    found = differences(connections, (read_by_h11(data) for data, _ in connections))

    assert found.keys() == LENIENT.keys(), (SEED, found)


def test_what_is_as_it_should_be_is_never_refused(connections: list[Connection]) -> None:
    for data, oddity in connections:
        if not oddity:
            assert read_here([data]) == read_by_h11(data), (SEED, data)


def test_it_reads_the_same_wherever_bytes_are_split(connections: list[Connection]) -> None:
    random = Random(SEED)
    for number, (data, _) in enumerate(connections):
        expected = read_here([data])
        assert read_here(pieces(random, data)) == expected, (SEED, data)
        if number % 10 == 0:
            assert read_here(data[at : at + 1] for at in range(len(data))) == expected, (SEED, data)
