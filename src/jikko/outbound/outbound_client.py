"""The outgoing HTTP client."""

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from jikko.concurrency.fair_semaphore import APP_SHARE, FairSemaphore
from jikko.concurrency.run_in_thread import imported
from jikko.log_context import log_context
from jikko.outbound.policy import parse_allow, refusal, refusal_text
from jikko.outbound.urls import Hop, WireUrl, next_hop
from jikko.ports.http import MAX_REDIRECTS, HttpFailure, HttpResponse, OutgoingRequest, Resolve
from jikko.trace_context import headers_of

if TYPE_CHECKING:
    import aiohttp

_TRACEPARENT: Final = "traceparent"


class AiohttpClient:
    """``HttpClient`` over aiohttp. One per process: all runs share its kept connections.

    Private, loopback, link-local, metadata, multicast and reserved addresses are refused: the address of every
    connection is checked, including redirects. With an outgoing proxy, which connects itself, only hosts given as
    addresses are checked; the rest is the proxy's policy.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        proxy: str | None = None,
        ssl_verify: bool = True,
        max_connections: int = 512,
        app_share: float = APP_SHARE,
        trace_hosts: Iterable[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        """Create a client, without connecting. Raises ``ValueError`` if ``allow`` has an invalid network.

        Args:
            allow: Networks (CIDR) or addresses that may be reached although not public.
            proxy: URL of a proxy for all requests. Environment variables are ignored.
            ssl_verify: Whether to verify certificates, unless a request decides.
            max_connections: Maximum concurrent requests; more wait, and apps take turns.
            app_share: The part of these that one app may have. See ``max_for_one_app``.
            trace_hosts: Hosts that receive the trace context (``traceparent``).
            resolve: Resolver of names; by default the system's.
        """
        self._allow = parse_allow(allow)
        self._proxy = proxy or None
        self._ssl_verify = ssl_verify
        self._resolve = resolve
        self._trace_hosts = frozenset(host.lower() for host in trace_hosts)
        self._places = FairSemaphore(max_connections, app_share)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    @property
    def places(self) -> FairSemaphore:
        return self._places

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        first = Hop(request.method.upper(), WireUrl.parse(request.url, request.params), request.headers, request.body)
        total = request.timeouts.total
        place = self._places.place(request.app_id) if request.waits_for_place else nullcontext()
        try:
            async with place, asyncio.timeout(total) as deadline:
                return await self._follow(first, request)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise HttpFailure(f"The request was not over within {total:g} s (timed out).", kind="timeout") from None

    async def close(self) -> None:
        # Wait for one that is being opened: nothing would close it.
        async with self._opening:
            self._is_closed = True
            session, self._session = self._session, None
            if session is not None:
                await session.close()

    async def _follow(self, hop: Hop, request: OutgoingRequest) -> HttpResponse:
        session = await self._open()
        from jikko.outbound.outbound_exchange import Chain, RequestSettings, exchange

        conditions = RequestSettings(
            timeouts=request.timeouts,
            max_bytes=request.max_bytes,
            ssl_verify=self._ssl_verify if request.ssl_verify is None else request.ssl_verify,
            proxy=self._proxy,
            enough=request.enough,
        )
        chain = Chain()
        for _ in range(MAX_REDIRECTS + 1):
            self._check_spelled(hop.url)
            response = await exchange(session, self._traced(hop), conditions, chain)
            following = next_hop(hop, response, request.secret_headers) if request.follow_redirects else None
            if following is None:
                return response
            hop = following
        raise HttpFailure(f"More than {MAX_REDIRECTS} redirects.", kind="redirect")

    def _traced(self, hop: Hop) -> Hop:
        """Add the trace context, if the host receives it and the request has none."""
        if hop.url.host not in self._trace_hosts or any(name.lower() == _TRACEPARENT for name, _ in hop.headers):
            return hop
        return replace(hop, headers=(*hop.headers, *headers_of(log_context.get().trace)))

    def _check_spelled(self, url: WireUrl) -> None:
        """Refuse a forbidden host given as an address, before anything else.

        Names are checked when connecting, unless a proxy connects.
        """
        address = url.address
        if address is None:
            if self._proxy is not None and url.host.rpartition(".")[2] == "localhost":
                raise HttpFailure('The host "localhost" may not be reached through a proxy.', kind="address")
            return
        why = refusal(address, self._allow)
        if why is not None:
            raise HttpFailure(refusal_text(url.host, address, why), kind="address")

    async def _open(self) -> "aiohttp.ClientSession":
        if self._session is not None:
            return self._session
        async with self._opening:
            if self._is_closed:
                raise HttpFailure("The server is about to end: no request is sent any more.", kind="connect")
            if self._session is None:
                # Loading aiohttp takes a few hundred milliseconds, in which other runs continue.
                await imported("jikko.outbound.outbound_exchange", "jikko.outbound.guard")
                from jikko.outbound.guard import Guard, look_up, open_session

                self._session = open_session(
                    guard=None if self._proxy is not None else Guard(self._allow), find=self._resolve or look_up
                )
            return self._session
