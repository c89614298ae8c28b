"""Trusted proxies, and their headers about the requests that they hand on."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from starlette.types import Scope

from jikko.errors import InvalidSettings

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_NAMES: Final = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"}


class TrustedProxies:
    """Believes the ``X-Forwarded-…`` headers of requests that come from certain addresses, and of no others.

    Any client can send such headers. What a proxy did not set itself it may have handed on from its client: of several
    values the last one counts, which is that of the nearest proxy; of ``X-Forwarded-For`` the last one that is no
    proxy of ours.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        """``addresses``: addresses and networks (CIDR) of proxies. Raises ``InvalidSettings``: one is none."""
        self._networks = [_network(address) for address in addresses]
        self._is_trusted = lru_cache(1_000)(self._looked_up)

    def believed(self, scope: Scope) -> Scope:
        """A request as its proxy tells it: ``scheme``, ``client``, ``root_path`` and the header ``Host``.

        What is malformed counts as absent. The same scope if its client is no trusted proxy.
        """
        client = scope.get("client")
        if not client or not self._is_trusted(client[0]):
            return scope
        forwarded: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _NAMES:
                forwarded.setdefault(name, []).extend(part.strip() for part in str(value, "latin-1").split(","))
        return {**scope, **self._changes(scope, forwarded)} if forwarded else scope

    def _changes(self, scope: Scope, forwarded: dict[bytes, list[str]]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if (proto := _last(forwarded, b"x-forwarded-proto").lower()) in ("http", "https"):
            changes["scheme"] = proto
        if _HOST.fullmatch(host := _last(forwarded, b"x-forwarded-host")):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            changes["headers"] = [(b"host", host.encode()), *others]
        if _PREFIX.fullmatch(prefix := _last(forwarded, b"x-forwarded-prefix").rstrip("/")):
            changes["root_path"] = prefix
        for address in reversed(forwarded.get(b"x-forwarded-for", [])):
            if _address(address) is None:
                break
            changes["client"] = (address, 0)
            if not self._is_trusted(address):
                break
        return changes

    def _looked_up(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def checked_root_path(path: str) -> str:
    """A path below which the server is reached, such as ``/jikko``; ``""`` for none.
    Raises ``InvalidSettings``: it is none."""
    path = path.rstrip("/")
    if path and not _PREFIX.fullmatch(path):
        raise InvalidSettings(f"JIKKO_ROOT_PATH is {path!r}; expected a path such as /jikko.")
    return path


def _last(forwarded: dict[bytes, list[str]], name: bytes) -> str:
    return forwarded[name][-1] if name in forwarded else ""


def _network(address: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(address, strict=False)
    except ValueError:
        raise InvalidSettings(
            f"JIKKO_TRUSTED_PROXIES: {address!r} must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8."
        ) from None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on both kinds tells those of the older one in the form of the newer one.
    return getattr(address, "ipv4_mapped", None) or address
