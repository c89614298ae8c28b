"""Trusted proxies and their ``X-Forwarded-…`` headers."""

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
    """Reader of ``X-Forwarded-…`` headers, from trusted addresses only.

    Any client can send such headers, and a proxy may forward them. So of several values the last one counts, that of
    the nearest proxy; of ``X-Forwarded-For`` the last one other than a trusted proxy.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        """``addresses``: Addresses and networks (CIDR) of proxies. Raises ``InvalidSettings`` if one is malformed."""
        self._networks = [_network(address) for address in addresses]
        self._is_trusted = lru_cache(1_000)(self._resolved)

    def believed(self, scope: Scope) -> Scope:
        """Apply the proxy's headers to ``scheme``, ``client``, ``root_path`` and ``Host``.

        Malformed headers are ignored. Returns the same scope if the client is not a trusted proxy.
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

    def _resolved(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def checked_root_path(path: str) -> str:
    """Validate the path under which the server is reached, such as ``/jikko``; ``""`` for none. Raises
    ``InvalidSettings``."""
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
    # A dual-stack socket reports IPv4 addresses in their mapped form.
    return getattr(address, "ipv4_mapped", None) or address
