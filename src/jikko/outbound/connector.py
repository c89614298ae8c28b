"""The pool of connections. Imported only when the first request is sent: aiohttp takes a while to load."""

from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from jikko.concurrency.scheduler import Scheduler
from jikko.outbound.bounded_connection import Handler
from jikko.outbound.guard import Guard, GuardedResolver
from jikko.ports.http import Resolve

KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds that an unused connection is kept. Servers tend to close them after 20 or more."""
ADDRESS_CACHE_SECONDS: Final = 10
"""Seconds that the addresses of a name are remembered."""
_READ_AHEAD_BYTES: Final = 16_384
"""Bytes of a body behind which aiohttp reads no more before it is read; of chunks it takes a sixteenth as many."""
_MAX_LINE_BYTES: Final = 65_536
"""Bytes of a header line of an answer."""
OWN_CONNECTION: Final[ContextVar[bool]] = ContextVar("own_connection", default=False)
"""Whether the request of this task has a connection that no other request had, or will have."""


class ConnectionPool(aiohttp.TCPConnector):
    """Connections that are kept between requests."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Private; ``test_misbehaving_servers`` tells if aiohttp makes its connections otherwise.
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=self._loop, share=Scheduler()))

    async def _get(self, *args: Any, **options: Any) -> Any:
        """A kept connection; one on which something came unasked is closed.

        Aiohttp would take it for the answer to the next request, which may be another user's. This overrides a private
        method; ``test_misbehaving_servers`` tells if aiohttp no longer calls it.
        """
        if OWN_CONNECTION.get():
            return None
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                if isinstance(connection.protocol, Handler):
                    connection.protocol.begin()
                return connection
            connection.close()
        return None

    async def _create_connection(self, *args: Any, **options: Any) -> ResponseHandler:
        protocol = await super()._create_connection(*args, **options)
        if OWN_CONNECTION.get():
            # Behind its answer.
            protocol.force_close()
        return protocol


def open_session(*, guard: Guard | None, find: Resolve) -> aiohttp.ClientSession:
    """Make the session, with its pool of connections. ``guard``: ``None`` to let every address pass.

    It keeps no cookies: runs of different users share it. Redirects and decompression are done outside of it.
    """
    connector = ConnectionPool(
        resolver=GuardedResolver(guard, find),
        # How many requests are under way is limited by the client, outside of the connect timeout.
        limit=0,
        ttl_dns_cache=ADDRESS_CACHE_SECONDS,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        socket_factory=None if guard is None else guard.open_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=_READ_AHEAD_BYTES,
        skip_auto_headers=("User-Agent", "Content-Type"),
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
    )
