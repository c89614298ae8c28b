"""TCP connections under the address policy."""

import asyncio
import base64
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Final
from urllib.parse import unquote, urlsplit

from jikko.outbound.policy import as_address, parse_allow, refusal, refusal_text
from jikko.ports.http import HttpFailure, Resolve

_SECONDS: Final = 30.0
_MAX_ANSWER_BYTES: Final = 16_384


class Tunnels:
    """A ``Connections``: directly, or by the outgoing proxy if one is set."""

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        proxy: str | None = None,
        resolve: Resolve | None = None,
        threads: Executor | None = None,
    ) -> None:
        """Args:
        allow: Networks (CIDR) or addresses that may be reached although they are not public; else ``ValueError``.
        proxy: URL of an HTTP proxy. Names are then its to look up, and its policy holds for them.
        threads: Where names are looked up, if not in those of the event loop.
        """
        self._allow = parse_allow(allow)
        self._proxy = urlsplit(proxy) if proxy else None
        self._resolve = resolve
        self._threads = threads

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await (self._directly(host, port) if self._proxy is None else self._by_proxy(host, port))
        except TimeoutError:
            raise HttpFailure(f"{host} did not answer within {_SECONDS:g} s.", kind="connect") from None
        except OSError as error:
            raise HttpFailure(f"{host} cannot be reached: {error.strerror or error}.", kind="connect") from None

    async def _directly(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await asyncio.open_connection(address, port)
            except OSError as error:
                failure = error
        raise failure or HttpFailure(f"{host} has no address.", kind="connect")

    async def _addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be reached, spelled as the system understands them."""
        spelled = as_address(host)
        found = [str(spelled)] if spelled is not None else await self._look_up(host, port)
        passed, refused = [], None
        for text in found:
            address = as_address(text)
            if address is None:
                continue
            why = refusal(address, self._allow)
            if why is None:
                passed.append(text)
            else:
                refused = refused or refusal_text(host, address, why)
        if refused is not None and not passed:
            raise HttpFailure(refused, kind="address")
        return passed

    async def _look_up(self, host: str, port: int) -> list[str]:
        if self._resolve is not None:
            return list(await self._resolve(host, port))
        from jikko.outbound.guard import look_up

        return await look_up(host, port, self._threads)

    async def _by_proxy(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        proxy = self._proxy
        assert proxy is not None
        address = as_address(host)
        why = None if address is None else refusal(address, self._allow)
        if address is not None and why is not None:
            raise HttpFailure(refusal_text(host, address, why), kind="address")
        if address is None and host.rstrip(".").rpartition(".")[2].lower() == "localhost":
            raise HttpFailure('The host "localhost" may not be reached through a proxy.', kind="address")
        reader, writer = await asyncio.open_connection(
            proxy.hostname, proxy.port or (443 if proxy.scheme == "https" else 80), ssl=proxy.scheme == "https" or None
        )
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.username:
            words = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            head.append(f"Proxy-Authorization: Basic {base64.b64encode(words.encode()).decode()}")
        try:
            writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
            answer = await reader.readuntil(b"\r\n\r\n")
            status = answer[:_MAX_ANSWER_BYTES].split(b" ", 2)[1:2]
            if status != [b"200"]:
                code = b" ".join(status).decode("latin-1")
                raise HttpFailure(f"The proxy refuses {host}: {code}.", kind="connect")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeEncodeError):
            writer.close()
            raise HttpFailure(f"The proxy gives no answer for {host}.", kind="connect") from None
        except BaseException:
            writer.close()
            raise
        return reader, writer
