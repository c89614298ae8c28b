"""Which addresses may be reached, however they are spelled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.diagnostics.diagnostic import Phrase
from jikko.outbound.policy import as_address, parse_allow, refusal, refusal_text

ipv4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[ipaddress.IPv4Address, str]:
    """An IPv4 address, and one of the ways in which programs let it be written."""
    address = draw(ipv4)
    value = int(address)
    count = draw(st.integers(1, 4))
    numbers = [(value >> (8 * (3 - index))) & 0xFF for index in range(count - 1)]
    numbers.append(value & ((1 << (8 * (5 - count))) - 1))
    parts = []
    for number in numbers:
        match draw(st.sampled_from(["decimal", "octal", "hex", "HEX"])):
            case "decimal":
                parts.append(str(number))
            case "octal":
                parts.append("0" * draw(st.integers(1, 3)) + (f"{number:o}" if number else ""))
            case "hex":
                parts.append(f"0x{number:x}")
            case _:
                parts.append(f"0X{number:08X}")
    return address, ".".join(parts) + draw(st.sampled_from(["", "."]))


@given(spellings())
def test_every_spelling_of_an_ipv4_address_is_recognised(case: tuple[ipaddress.IPv4Address, str]) -> None:
    address, spelled = case

    assert as_address(spelled) == address


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_every_spelling_of_an_ipv6_address_is_recognised(address: ipaddress.IPv6Address) -> None:
    for spelled in (address.compressed, address.exploded, f"[{address}]", f"{address}%eth0"):
        assert as_address(spelled) == address


@given(ipv4)
def test_an_ipv4_address_is_judged_alike_in_ipv6_clothes(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address))

    assert refusal(mapped) == refusal(address)
    assert refusal(translated) == refusal(address)


@given(ipv4 | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_what_python_knows_to_be_special_is_never_reached(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert refusal(address) is not None


@given(ipv4)
def test_a_network_in_the_list_opens_its_addresses_in_every_form(address: ipaddress.IPv4Address) -> None:
    allow = parse_allow([str(ipaddress.ip_network(f"{address}/24", strict=False))])

    assert refusal(address, allow) is None
    assert refusal(ipaddress.IPv6Address(f"::ffff:{address}"), allow) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "it is unspecified"),
        ("127.0.0.1", "it is loopback"),
        ("127.255.255.254", "it is loopback"),
        ("10.1.2.3", "it is private"),
        ("172.31.255.255", "it is private"),
        ("192.168.0.1", "it is private"),
        ("100.64.0.1", "it is carrier-grade NAT"),
        ("100.100.100.200", "it is carrier-grade NAT"),
        ("169.254.1.1", "it is link-local"),
        ("169.254.169.254", "it is a cloud metadata service"),
        ("168.63.129.16", "it is a cloud metadata service"),
        ("192.0.0.192", "it is reserved"),
        ("198.18.0.1", "it is reserved for benchmarks"),
        ("203.0.113.5", "it is reserved for documentation"),
        ("224.0.0.1", "it is multicast"),
        ("240.0.0.1", "it is reserved"),
        ("255.255.255.255", "it is broadcast"),
        ("::", "it is unspecified"),
        ("::1", "it is loopback"),
        ("::127.0.0.1", "it is loopback"),
        ("::ffff:169.254.169.254", "it is a cloud metadata service"),
        ("64:ff9b::a00:1", "it is private"),
        ("fd00:ec2::254", "it is a cloud metadata service"),
        ("fd12::1", "it is private"),
        ("fe80::1", "it is link-local"),
        ("fec0::1", "it is private"),
        ("ff02::1", "it is multicast"),
        ("2002:7f00:1::", "it is a tunnel (6to4)"),
        ("2001:0:1::", "it is a tunnel (Teredo)"),
        ("2001:db8::1", "it is reserved for documentation"),
        ("5f00::1", "it is reserved"),
    ],
)
def test_refusals_say_why(address: str, why: str) -> None:
    code = refusal(ipaddress.ip_address(address))
    assert code is not None
    assert Phrase(code).text() == why


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_may_be_reached(address: str) -> None:
    assert refusal(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    "host",
    ["example.com", "localhost", "1.2.3.4.5", "256.1.1.1.", "0xg", "1..2", "", "-1", "+1", "1_0", " 1", "08", "٣"],
)
def test_what_is_no_address_is_a_name(host: str) -> None:
    assert as_address(host) is None


@pytest.mark.parametrize("spelled", ["0x", "0X", "0x.0x.0x.0x", "00", "0"])
def test_a_number_without_digits_is_zero_as_it_is_to_inet_aton(spelled: str) -> None:
    assert as_address(spelled) == ipaddress.IPv4Address("0.0.0.0")


def test_ten_is_no_octal_number_and_ten_behind_a_zero_is() -> None:
    assert as_address("10.10.10.10") == ipaddress.IPv4Address("10.10.10.10")
    assert as_address("010.010.010.010") == ipaddress.IPv4Address("8.8.8.8")


def test_a_refusal_names_the_address_the_reason_and_the_setting() -> None:
    address = ipaddress.IPv6Address("::ffff:10.0.0.5")

    assert refusal_text("db.example", address, "address.private") == (
        'The address 10.0.0.5 of "db.example" may not be reached: it is private. '
        "JIKKO_HTTP_ALLOW allows addresses, this one by 10.0.0.5/32."
    )


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"'10.0.0.0/99' is not a network"):
        parse_allow(["127.0.0.0/8", "10.0.0.0/99"])
