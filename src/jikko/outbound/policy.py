"""The address policy: which addresses may be reached. Pure functions: no I/O, no name service.

Rule 1: what is not plainly a public address is refused, unless a network in ``allow`` holds it.
Rule 2: an address that carries another one (IPv4 in IPv6, NAT64) is judged by the one that it carries.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

from jikko.diagnostics.diagnostic import Phrase

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SETTING: Final = "JIKKO_HTTP_ALLOW"
"""The setting that opens addresses; named in refusals."""

_REFUSED: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "address.unspecified"),
        ("127.0.0.0/8", "address.loopback"),
        # Looks public, but is the metadata service of every Azure machine.
        ("168.63.129.16/32", "address.metadata"),
        ("169.254.169.254/32", "address.metadata"),
        ("169.254.0.0/16", "address.link_local"),
        ("10.0.0.0/8", "address.private"),
        ("172.16.0.0/12", "address.private"),
        ("192.168.0.0/16", "address.private"),
        ("100.64.0.0/10", "address.shared"),
        ("192.0.0.0/24", "address.reserved"),
        ("192.0.2.0/24", "address.documentation"),
        ("192.88.99.0/24", "address.reserved"),
        ("198.18.0.0/15", "address.benchmarks"),
        ("198.51.100.0/24", "address.documentation"),
        ("203.0.113.0/24", "address.documentation"),
        ("224.0.0.0/4", "address.multicast"),
        ("255.255.255.255/32", "address.broadcast"),
        ("240.0.0.0/4", "address.reserved"),
        ("::/128", "address.unspecified"),
        ("::1/128", "address.loopback"),
        ("fd00:ec2::254/128", "address.metadata"),
        ("fc00::/7", "address.private"),
        ("fe80::/10", "address.link_local"),
        ("fec0::/10", "address.private"),
        ("ff00::/8", "address.multicast"),
        ("64:ff9b:1::/48", "address.private"),
        # Tunnels: what they carry is reached by way of strangers.
        ("2001::/32", "address.teredo"),
        ("2002::/16", "address.six_to_four"),
        ("2001::/23", "address.reserved"),
        ("2001:db8::/32", "address.documentation"),
        ("3fff::/20", "address.documentation"),
    )
)
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def parse_allow(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from CIDRs or single addresses. Raises ``ValueError``, which says which one is neither."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise ValueError(f"{text.strip()!r} is not a network, such as 10.0.0.0/8 or fd00::/8") from None
    return tuple(found)


def as_address(host: str) -> Address | None:
    """The address that a host spells out, in whatever way programs understand; ``None`` for a name.

    ``127.0.0.1``, ``127.1``, ``2130706433``, ``0x7f000001`` and ``0177.0.0.1`` are one address; so are ``::1`` and
    ``[::1]``. A dot at the end of an IPv4 address and the zone of an IPv6 address are ignored.
    """
    if ":" not in host:
        return _as_ipv4(host.removesuffix("."))
    try:
        return ipaddress.IPv6Address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def refusal(address: Address, allow: Iterable[Network] = ()) -> str | None:
    """Why an address is refused: the code of the end of a sentence, ``it is loopback``. ``None``: it may be reached."""
    carried = _carried(address)
    if any(candidate in network for network in allow for candidate in (address, carried)):
        return None
    for network, why in _REFUSED:
        if carried in network:
            return why
    if isinstance(carried, ipaddress.IPv6Address) and carried not in _PUBLIC_V6:
        return "address.reserved"
    # What the lists above do not know yet and this version of Python does.
    return None if carried.is_global else "address.not_public"


def refused(host: str, address: Address, why: str) -> tuple[Phrase, Phrase]:
    """What is wrong with a request to ``host``, as its URL has it, and what to do. ``why``: From ``refusal``."""
    carried = _carried(address)
    params = {"address": str(carried), "host": host, "why": Phrase(why)}
    code = "address.refused" if as_address(host) == address else "address.refused_host"
    opening = {"setting": SETTING, "network": f"{carried}/{carried.max_prefixlen}"}
    return Phrase(code, params), Phrase("remedy.allow_address", opening)


def refusal_text(host: str, address: Address, why: str) -> str:
    """The message of a refused request; see ``refused``."""
    what, remedy = refused(host, address, why)
    return f"{what.text()}. {remedy.text()}."


def _carried(address: Address) -> Address:
    """The IPv4 address in an IPv6 one, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _as_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """An IPv4 address as ``inet_aton`` reads it: one to four numbers, the last one filling the rest."""
    parts = host.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers = []
    for part in parts:
        number = _number(part)
        if number is None:
            return None
        numbers.append(number)
    rest = numbers.pop()
    if any(number > 0xFF for number in numbers) or rest >= 1 << (8 * (4 - len(numbers))):
        return None
    value = rest
    for position, number in enumerate(numbers):
        value |= number << (8 * (3 - position))
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int | None:
    """A number in decimal, octal (``0…``) or hexadecimal (``0x…``) notation."""
    if not text.isascii() or not text.isalnum() or len(text) > 40:
        return None
    try:
        if text[:2] in ("0x", "0X"):
            return int(text[2:] or "0", 16)
        return int(text, 8 if text[0] == "0" else 10)
    except ValueError:
        return None
