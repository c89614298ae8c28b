"""Amount of a response held by the system, on real connections."""

import socket
import sys

from jikko.server.connections.slow_readers import bytes_in_system
from tests.effort import PATIENCE

SENT = 3_000_000


def test_what_the_other_side_has_not_taken_is_told_until_it_has() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        server, _ = listening.accept()
        with server:
            assert bytes_in_system(server) == 0
            server.setblocking(False)
            sent = server.send(b"x" * SENT)
            while sent < 3 * SENT:
                try:
                    sent += server.send(b"x" * 65_536)
                except BlockingIOError:
                    break
            if sys.platform == "linux":
                assert 0 < bytes_in_system(server) <= sent
            client.settimeout(PATIENCE)
            taken = 0
            while taken < sent:
                taken += len(client.recv(1 << 20))
            # The last acknowledgement is under way.
            server.settimeout(PATIENCE)
            client.sendall(b"y")
            assert server.recv(1) == b"y"
            assert bytes_in_system(server) == 0
        assert bytes_in_system(server) == 0


def test_a_connection_without_a_socket_has_nothing() -> None:
    assert bytes_in_system(None) == 0
