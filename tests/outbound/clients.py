"""Clients and requests for tests of the outgoing client."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from jikko.outbound.outbound_client import AiohttpClient
from jikko.ports.http import Multipart, OutgoingRequest, Pairs, Timeouts
from tests.effort import PATIENCE

LOOPBACK = ("127.0.0.0/8",)


@asynccontextmanager
async def client(
    *,
    allow: Sequence[str] = LOOPBACK,
    proxy: str | None = None,
    resolve: "Names | None" = None,
    max_connections: int = 512,
) -> AsyncIterator[AiohttpClient]:
    made = AiohttpClient(allow=allow, proxy=proxy, resolve=resolve, max_connections=max_connections, app_share=1)
    try:
        yield made
    finally:
        await made.close()


def get(
    url: str,
    *,
    method: str = "GET",
    headers: Pairs = (),
    body: bytes | Multipart | None = None,
    connect: float = PATIENCE,
    read: float = PATIENCE,
    write: float = PATIENCE,
    total: float = PATIENCE,
    max_bytes: int = 1_000_000,
    secret_headers: frozenset[str] = frozenset(),
    ssl_verify: bool | None = None,
    app_id: str = "",
    follow_redirects: bool = True,
) -> OutgoingRequest:
    """Return a request with long timeouts, except for given ones."""
    return OutgoingRequest(
        method=method,
        url=url,
        headers=headers,
        body=body,
        timeouts=Timeouts(connect=connect, read=read, write=write, total=total),
        max_bytes=max_bytes,
        secret_headers=secret_headers,
        ssl_verify=ssl_verify,
        app_id=app_id,
        follow_redirects=follow_redirects,
    )


class Names:
    """Scripted name service: a list of answers per name, of which the last one repeats."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name: list(rounds) for name, rounds in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        rounds = self._answers.get(host.partition(".")[0])
        if not rounds:
            raise OSError(-2, "Name or service not known")
        return rounds.pop(0) if len(rounds) > 1 else rounds[0]
