"""Sockets of several processes on one address."""

import socket
import sys
from contextlib import closing

import pytest

from jikko.server.listening import listen, reserve
from tests.effort import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is one socket for all processes elsewhere")


def answering(address: tuple[str, int], listening: socket.socket) -> socket.socket | None:
    """The socket that a new connection comes to, if it is that one."""
    with socket.create_connection(address, timeout=PATIENCE):
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return None
    return listening


def test_no_connection_comes_to_a_reserved_socket_until_it_listens() -> None:
    one, other = listen("127.0.0.1", 0, 2)
    address = one.getsockname()
    with closing(one), closing(reserve(other)) as reserved:
        other.close()
        one.setblocking(False)
        reserved.setblocking(False)
        assert all(answering(address, one) for _ in range(40))

        reserved.listen()

        assert {answering(address, one) for _ in range(40)} == {one, None}


def test_a_reserved_socket_of_ipv6_leaves_ipv4_alone_as_those_do_that_it_is_like() -> None:
    one, other = listen("::", 0, 2)
    port = one.getsockname()[1]
    with closing(one), closing(other), closing(reserve(other)) as reserved:
        reserved.listen()
        with socket.create_connection(("::1", port), timeout=PATIENCE):
            pass

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()


def test_a_host_that_is_unknown_is_told_in_words() -> None:
    with pytest.raises(
        OSError, match=r"^Cannot listen on nowhere\.invalid:80: [A-Z][a-z ]+\. Choose another with --host"
    ):
        listen("nowhere.invalid", 80)


def test_an_address_of_another_machine_is_told_with_host() -> None:
    with pytest.raises(OSError, match=r"^Cannot listen on 192\.0\.2\.1:80: .*\. Choose another with --host\.$"):
        listen("192.0.2.1", 80)
