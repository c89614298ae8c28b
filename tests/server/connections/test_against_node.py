"""Requests of thousands of connections, with upgrades and oddities, are those that Node reads."""

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest
from scripts.build_console import npm

from tests.server.connections.readings import Reading, differences, request
from tests.server.connections.request_corpus import COUNT, SEED, corpus

pytestmark = [pytest.mark.services, pytest.mark.once]

LENIENT: Final = {
    "a fragment": "RFC 9112, 3.2: no part of a target; it is left out",
    "a length between spaces": "RFC 9112, 5.1: tabs are no part of a value either",
    "a coding between spaces": "RFC 9112, 5.1: tabs are no part of a value either",
}
"""What we read and Node refuses, or reads in another way: why we may."""


def read_by_node(connections: Iterable[bytes]) -> Iterator[Reading]:
    done = subprocess.run(
        ["node", Path(__file__).with_name("node_reader.mjs")],
        env=npm()[1],
        input=b"\n".join(map(b64encode, connections)),
        stdout=subprocess.PIPE,
        check=True,
    )
    for line in done.stdout.splitlines():
        found = json.loads(line)
        requests = []
        for entry in found["requests"]:
            raw = [text.encode("latin-1") for text in entry["headers"]]
            headers = zip(raw[::2], raw[1::2], strict=True)
            body = b64decode(entry["body"])
            requests.append(request(entry["method"], entry["target"], headers, body, is_whole=entry["isWhole"]))
        yield Reading(requests, found["end"])


def test_it_reads_what_node_reads_or_refuses_it_or_may_be_lenient() -> None:
    connections = list(corpus(Random(SEED), COUNT))

    found = differences(connections, read_by_node(data for data, _ in connections))

    # Versions of Node differ in some of it.
    assert found.keys() <= LENIENT.keys(), (SEED, found)
