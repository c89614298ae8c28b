"""Getting into NATS: its TLS, and files by which it knows a server; with real servers of NATS."""

import asyncio
import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jikko.cluster.nats.connecting import Credentials, NatsAccess
from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.streams import Names
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.ports.cluster import OrphanedRuns, StopRun
from tests.certificates import Authority, check_strictly
from tests.cluster.nats_group import NatsGroup
from tests.cluster.nats_server import NatsServer, nats_running
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.nats]
USER, ACCOUNT, OPERATOR, SEED = 20 << 3, 0, 14 << 3, 18 << 3
PASSWORD = "geheim"


class Key:
    """An NKey."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._private = Ed25519PrivateKey.generate()

    @property
    def public(self) -> str:
        return encoded(bytes([self._kind]) + self._private.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        head = bytes([SEED | self._kind >> 5, (self._kind & 31) << 3])
        return encoded(head + self._private.private_bytes_raw())

    def signed(self, subject: str, kind: str, **more: Any) -> str:
        """A JWT of NATS."""
        claims = {
            "jti": secrets.token_hex(16),
            "iat": int(time.time()),
            "iss": self.public,
            "name": kind,
            "sub": subject,
            "nats": {"type": kind, "version": 2, **more},
        }
        parts = [part(json.dumps(each).encode()) for each in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)]
        return ".".join([*parts, part(self._private.sign(".".join(parts).encode()))])


def encoded(body: bytes) -> str:
    checksum = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + checksum).decode().rstrip("=")


def part(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


@contextmanager
def configured(folder: Path, text: str) -> Iterator[NatsServer]:
    """A server with lines of its own in its settings."""
    file = folder / "nats.conf"
    file.write_text(text)
    with nats_running("-c", str(file)) as server:
        yield server


def addressed(server: NatsServer, *, scheme: str = "nats", user: str = "") -> str:
    return f"{scheme}://{user and f'{user}:{PASSWORD}@'}127.0.0.1:{server.port}"


async def gets_in(url: str, access: NatsAccess) -> bool:
    """Whether all that servers need can be done there, also after the connection was lost."""
    link = await NatsLink.open(
        url, Names(secrets.token_hex(6)), member_seconds=1, per_minute=0, name="test", access=access
    )
    try:
        return (
            await link.keep(link.names.alive("one"), b"{}") > 0
            and "JetStream" in (await NatsLink.look(url, access)).text()
        )
    finally:
        await link.break_off()


async def test_a_user_who_may_not_use_jetstream_is_told_what_is_needed(tmp_path: Path) -> None:
    allowed = 'permissions: { publish: ["jk.>"], subscribe: ["jk.>", "_INBOX.>"] }'
    users = f"authorization {{ users: [{{ user: jikko, password: {PASSWORD}, {allowed} }}] }}"
    with (
        configured(tmp_path, users) as server,
        pytest.raises(InvalidSettings, match=r"permissions violation.*docs/several-servers\.md"),
    ):
        await NatsLink.look(addressed(server, user="jikko"))


async def test_its_certificate_may_be_of_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path)
    pem = authority.of_server
    users = f"authorization {{ users: [{{ user: jikko, password: {PASSWORD} }}] }}"
    with configured(tmp_path, f"tls {{ cert_file: '{pem}', key_file: '{pem}' }}\n{users}") as server:
        url = addressed(server, scheme="tls", user="jikko")

        assert await gets_in(url, NatsAccess(authorities=authority.file))
        for wrong in (NatsAccess(), NatsAccess(authorities=other.file)):
            with pytest.raises(StoreUnavailable, match="certificate") as refused:
                await NatsLink.look(url, wrong)
            assert PASSWORD not in str(refused.value)


async def test_a_certificate_that_strict_checks_refuse_is_told_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_strictly(monkeypatch)
    authority = Authority(tmp_path, lacking=x509.AuthorityKeyIdentifier)
    pem = authority.of_server
    with (
        configured(tmp_path, f"tls {{ cert_file: '{pem}', key_file: '{pem}' }}") as server,
        pytest.raises(StoreUnavailable, match="authorityKeyIdentifier=keyid"),
    ):
        await NatsLink.look(addressed(server, scheme="tls"), NatsAccess(authorities=authority.file))


async def test_it_may_ask_for_a_certificate_of_the_server_that_connects(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path)
    pem, key, alone = authority.of_server, tmp_path / "key.pem", tmp_path / "certificate.pem"
    end = "-----END PRIVATE KEY-----\n"
    head, _, rest = pem.read_text().partition(end)
    key.write_text(head + end)
    alone.write_text(rest)
    text = f"tls {{ cert_file: '{pem}', key_file: '{pem}', ca_file: '{authority.file}', verify: true }}"
    with configured(tmp_path, text) as server:
        for certificate, of_key in ((pem, None), (alone, key)):
            assert await gets_in(server.url, NatsAccess(None, authority.file, certificate, of_key))
        for wrong in (None, other.of_server):
            with pytest.raises(StoreUnavailable, match="nats_certificate"):
                await NatsLink.look(server.url, NatsAccess(None, authority.file, wrong))
    for certificate, of_key in ((alone, None), (key, None), (tmp_path / "none", None), (alone, tmp_path / "none")):
        with pytest.raises(InvalidSettings, match="nats_certificate"):
            await NatsLink.look(server.url, NatsAccess(None, None, certificate, of_key))


async def test_certificates_that_are_replaced_are_used_by_the_next_connection(tmp_path: Path) -> None:
    older, newer = Authority(tmp_path), Authority(tmp_path)
    own, trusted, of_server = tmp_path / "own.pem", tmp_path / "ca.pem", tmp_path / "server.pem"

    def become(authority: Authority) -> None:
        of_server.write_bytes(authority.of_server.read_bytes())
        own.write_bytes(authority.of_server.read_bytes())
        trusted.write_bytes(authority.file.read_bytes())

    become(older)
    text = f"tls {{ cert_file: '{of_server}', key_file: '{of_server}', ca_file: '{trusted}', verify: true }}"
    with configured(tmp_path, text) as server:
        access, names = NatsAccess(None, trusted, own), Names(secrets.token_hex(6))
        link = await NatsLink.open(server.url, names, member_seconds=1, per_minute=0, name="test", access=access)
        back = asyncio.Event()
        link.on_back = back.set
        try:
            server.kill()
            own.unlink()  # as while it is replaced
            await until(lambda: not link.is_connected)
            become(newer)
            server.start()
            async with asyncio.timeout(PATIENCE):
                await back.wait()
        finally:
            await link.break_off()


async def test_user_and_password_are_read_as_addresses_are(tmp_path: Path) -> None:
    odd = "ge/he#im,@%?"
    users = f'authorization {{ users: [{{ user: "ji:kko", password: "{odd}" }}] }}'
    with configured(tmp_path, users) as server:
        assert await gets_in(server.url.replace("//", f"//{quote('ji:kko', '')}:{quote(odd, '')}@"), NatsAccess())
        with pytest.raises(StoreUnavailable, match="check user and password in nats_url") as refused:
            await NatsLink.look(server.url.replace("//", "//jikko:geheim@"))
    assert PASSWORD not in str(refused.value)


async def test_a_user_needs_no_more_rights_than_the_page_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "several-servers.md").read_text()
    rights = re.findall(r"`([^`]+>)`", page[page.index("these suffice") :].partition(".\n")[0])
    subjects = ", ".join(f'"{right}"' for right in rights)
    allowed = f"permissions: {{ publish: [{subjects}], subscribe: [{subjects}] }}"
    users = f"authorization {{ users: [{{ user: jikko, password: {PASSWORD}, {allowed} }}] }}"
    with configured(tmp_path, users) as server:
        group = NatsGroup(addressed(server, user="jikko"))
        try:
            (one, member), (other, its) = await group.start(), await group.start()
            await until(lambda: other.name in one.members() and one.name in other.members())

            one.offer(OrphanedRuns(holder="gone/1"))

            await until(lambda: member.taken != [] or its.taken != [])
            assert await one.request(other.name, StopRun(run_id="r", error="stopped")) is not None
        finally:
            await group.close()


async def test_no_password_goes_to_a_server_that_does_not_encrypt_though_its_address_says_so(tmp_path: Path) -> None:
    users = f"authorization {{ users: [{{ user: jikko, password: {PASSWORD} }}] }}"
    with configured(tmp_path, users) as server:
        assert await gets_in(addressed(server, user="jikko"), NatsAccess())
        with pytest.raises(StoreUnavailable, match="does not encrypt"):
            await NatsLink.look(addressed(server, scheme="tls", user="jikko"))


async def test_it_knows_a_server_by_its_nkey(tmp_path: Path) -> None:
    key, other = Key(USER), Key(USER)
    file = tmp_path / "jikko.nk"
    file.write_text(f"{key.seed}\n")
    assert Credentials.read(file).public_key == key.public
    with configured(tmp_path, f"authorization {{ users: [{{ nkey: {key.public} }}] }}") as server:
        assert await gets_in(server.url, NatsAccess(file))
        file.write_text(other.seed)
        with pytest.raises(StoreUnavailable, match=r"(?i)authorization") as refused:
            await NatsLink.look(server.url, NatsAccess(file))
        assert other.seed not in str(refused.value)


async def test_an_nkey_that_is_replaced_needs_no_restart(tmp_path: Path) -> None:
    first, second = Key(USER), Key(USER)
    file = tmp_path / "jikko.nk"
    file.write_text(first.seed)
    with configured(tmp_path, f"authorization {{ users: [{{ nkey: {first.public} }}] }}") as server:
        link = await NatsLink.open(
            server.url, Names("replaced"), member_seconds=1, per_minute=0, name="test", access=NatsAccess(file)
        )
        try:
            server.kill()
            await until(lambda: not link.is_connected)
            file.write_text(second.seed)
            (tmp_path / "nats.conf").write_text(f"authorization {{ users: [{{ nkey: {second.public} }}] }}")
            server.start()
            await until(lambda: link.is_connected)
        finally:
            await link.break_off()


async def test_it_knows_a_server_by_what_its_account_has_signed(tmp_path: Path) -> None:
    operator, account, system, user = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
    every = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    kept = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    accounts = {
        account.public: operator.signed(account.public, "account", limits=limits(every, kept)),
        system.public: operator.signed(system.public, "account", limits=limits(every, {})),
    }
    signed = operator.signed(operator.public, "operator")
    preload = "\n".join(f"  {name}: {jwt}" for name, jwt in accounts.items())
    own = account.signed(user.public, "user", subs=-1, data=-1, payload=-1, pub={}, sub={})
    file = tmp_path / "jikko.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{own}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    text = (
        f"operator: {signed}\nsystem_account: {system.public}\nresolver: MEMORY\nresolver_preload {{\n{preload}\n}}\n"
    )
    with configured(tmp_path, text) as server:
        assert await gets_in(server.url, NatsAccess(file))
        with pytest.raises(StoreUnavailable, match=r"(?i)authorization"):
            await NatsLink.look(server.url)


def limits(*some: Mapping[str, int]) -> dict[str, Any]:
    return {name: value for each in some for name, value in each.items()} | {"wildcards": True}


@pytest.mark.parametrize("text", ["", "SUAAA", "\x80", "SU" + "A" * 56])
def test_a_file_without_a_key_is_told_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jikko.creds"
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(InvalidSettings, match="nats_credentials") as refused:
        Credentials.read(file)
    assert not text or text not in str(refused.value).replace(str(file), "")


async def test_files_that_are_missing_are_told(tmp_path: Path) -> None:
    for access in (NatsAccess(tmp_path / "none"), NatsAccess(authorities=tmp_path / "none")):
        with pytest.raises(InvalidSettings, match="No such file"):
            await NatsLink.look("nats://127.0.0.1:1", access)
