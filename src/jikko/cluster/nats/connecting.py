"""NATS connections: addresses, trusted authorities and credentials.

Files are re-read for each connection, so replaced certificates need no restart.
"""

import asyncio
import base64
import binascii
import json
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.protocol.parser import PERMISSIONS_ERR, STALE_CONNECTION

from jikko.cluster.nats.nats_refusals import NATS_ERRORS, connection_failure, shown_servers
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.extras import how_to_install
from jikko.ports.addresses import diagnose_nats_url, nats_servers

_JWT: Final = re.compile(r"-{3,}BEGIN NATS USER JWT-{3,}\s+(\S+)\s+-{3,}END NATS USER JWT-{3,}")
_SEED: Final = re.compile(r"^\s*(SU[A-Z2-7]{56})\s*$", re.MULTILINE)
_PUBLIC_USER: Final = bytes([20 << 3])
"""Prefix byte of a user's public key; a seed has it after its own prefix."""
_CHECKSUM: Final = 2


class NatsAccess(Struct, frozen=True):
    """Credentials and certificates for NATS, besides addresses."""

    credentials: Path | None = None
    """A ``.creds`` file (JWT and seed), or a file with a user's NKey seed. ``None``: credentials of the address."""
    authorities: Path | None = None
    """PEM file of trusted authorities for server certificates. ``None``: those of the system."""
    certificate: Path | None = None
    """PEM file of the client certificate. ``None``: servers do not ask for one."""
    certificate_key: Path | None = None
    """PEM file of its private key. ``None``: in the same file."""

    def options(self, client: "StrictClient") -> dict[str, Any]:
        """Return the client's connection options. Raises ``InvalidSettings``: unusable file, or missing library."""
        client.encryption = Encryption(self)
        made: dict[str, Any] = {"tls": client.encryption.context()}
        if (path := self.credentials) is None:
            return made
        credentials = Credentials.read(path)
        client.known_as(lambda: _again(path).public_key)
        made["signature_cb"] = lambda nonce: _again(path).sign(nonce)
        if credentials.jwt:
            made["user_jwt_cb"] = lambda: bytearray(_again(path).jwt.encode())
        return made

    def made_encryption(self) -> ssl.SSLContext:
        """Raises ``InvalidSettings`` if a file is unusable."""
        made = _trusting(self.authorities)
        if self.certificate is None:
            return made
        for path in filter(None, (self.certificate, self.certificate_key)):
            if not path.is_file():
                raise InvalidSettings(f"nats_certificate: {path} is not a file.")
        try:
            made.load_cert_chain(self.certificate, self.certificate_key, password="")
        except (OSError, ValueError):
            missing = " nats_certificate_key names that of the key, if it is another one." * (not self.certificate_key)
            raise InvalidSettings(
                f"nats_certificate: {self.certificate} cannot be used: expected a certificate and its private key, "
                f"both as PEM, and the key without a password.{missing}"
            ) from None
        return made


class Encryption:
    """TLS context from the current content of the files."""

    def __init__(self, access: NatsAccess) -> None:
        self._access = access
        self._context: ssl.SSLContext | None = None
        self._read: list[tuple[int, ...]] = []
        """Fingerprint of each file, which a replacement changes."""

    def context(self) -> ssl.SSLContext:
        """Raises ``InvalidSettings`` if a file is unusable."""
        access = self._access
        found = [_mark_of(path) for path in (access.authorities, access.certificate, access.certificate_key) if path]
        if self._context is None or found != self._read:
            self._context, self._read = access.made_encryption(), found
        return self._context


class StrictClient(Client):
    """Sends no credentials if TLS was requested and is not offered; the library would.

    User and password of an address are percent-decoded (``%2F`` is a slash); the library takes them literally.
    """

    encryption: Encryption | None = None
    _public_key: Callable[[], str] | None = None

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context of the next connection. Raises ``Error``: none now; the library retries."""
        if self.encryption is None:
            return super().ssl_context
        try:
            return self.encryption.context()
        except InvalidSettings as error:
            raise NatsError(f"nats: {error}") from None

    def known_as(self, public_key: Callable[[], str]) -> None:
        """Set the NKey to authenticate with, read at each connection."""
        self._public_key = public_key

    def _connect_command(self) -> bytes:
        if self._public_key is not None:
            self._public_nkey = self._public_key()
        server = self._current_server
        if server is not None and server.uri.scheme == "tls" and not self._server_info.get("tls_required"):
            raise NatsError("nats: its address begins with tls://, and the server does not encrypt")
        verb, _, options = super()._connect_command().partition(b" ")
        said = json.loads(options)
        if server is not None and server.uri.username is not None:
            for name in ("user", "pass", "auth_token"):
                if name in said:
                    said[name] = unquote(said[name])
        return b" ".join([verb, json.dumps(said).encode()]) + b"\r\n"


class Credentials(Struct, frozen=True):
    """A user's key, and the account's signed statement about it."""

    seed: bytes
    """32 bytes."""
    jwt: str = ""
    """Empty: the server knows the public key itself."""

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Raises ``InvalidSettings``: the file cannot be read, or has neither format."""
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InvalidSettings(f"nats_credentials: {path} cannot be read: {reason}.") from None
        jwt, seed = _JWT.search(text), _SEED.search(text)
        if seed is None or (key := _seed_of(seed[1])) is None:
            raise InvalidSettings(
                f"nats_credentials: {path} has no key of a user: expected a .creds file, or a seed that begins with SU."
            )
        return cls(key, jwt[1] if jwt else "")

    @property
    def public_key(self) -> str:
        body = _PUBLIC_USER + self._private().public_key().public_bytes_raw()
        return base64.b32encode(body + _checksum(body)).decode().rstrip("=")

    def sign(self, nonce: str) -> bytes:
        return base64.b64encode(self._private().sign(nonce.encode()))

    def _private(self) -> Any:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ModuleNotFoundError:
            raise InvalidSettings(f"nats_credentials needs another library: {how_to_install('cluster')}") from None
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _again(path: Path) -> Credentials:
    """Raises the library's ``Error``, which makes it retry."""
    try:
        return Credentials.read(path)
    except InvalidSettings as error:
        raise NatsError(f"nats: {error}") from None


def _mark_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _trusting(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except (OSError, ValueError) as error:
        is_file = isinstance(error, (ssl.SSLError, ValueError))
        reason = "it has no certificates; expected a PEM file" if is_file else getattr(error, "strerror", "")
        raise InvalidSettings(f"nats_ca: {authorities} cannot be used: {reason}.") from None


def _seed_of(text: str) -> bytes | None:
    """Return the seed's 32 bytes, or ``None`` if its checksum differs."""
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    body, checksum = raw[:-_CHECKSUM], raw[-_CHECKSUM:]
    return body[_CHECKSUM:] if _checksum(body) == checksum else None


def _checksum(body: bytes) -> bytes:
    return binascii.crc_hqx(body, 0).to_bytes(_CHECKSUM, "little")


logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5
_RECONNECT_SECONDS: Final = 0.25
_RETRY_INTERVAL_SECONDS: Final = 1.0
"""Seconds until the next attempt, after one that failed in a way the library does not handle."""
_PENDING: Final = 16 << 20
"""Bytes buffered while disconnected."""
_PING_PART, _MIN_PING_SECONDS, _PINGS = 0.2, 1.0, 2
"""A silent NATS server is left for another. It is pinged after each such part of a member's lease, and counts as lost
once that many pings in a row are unanswered and the next is due."""


class SteadyClient(StrictClient):
    """Reconnects whatever the reason. The library gives up on some, and waits for others without end."""

    async def _attempt_reconnect(self) -> None:
        # The library waits until the abandoned connection is flushed and its TLS is closed: half a minute, or for ever
        # with a silent peer. And unexpected errors end its attempts.
        line = getattr(self._transport, "_io_writer", None)
        if line is not None:
            line.transport.abort()
        while True:
            try:
                await super()._attempt_reconnect()
                return
            except Exception as error:
                await self._error_cb(error)
                if self.is_closed:
                    return
                self._status = Client.RECONNECTING
            await asyncio.sleep(_RETRY_INTERVAL_SECONDS)

    async def _connect_to_server(self, s: Any) -> None:
        # The library drops the connection of a failed attempt without closing it.
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]  # the library's has no types
        await super()._connect_to_server(s)

    async def _process_err(self, err_msg: str) -> None:
        # The library closes the client for good after a changed password, an expired credential, or a server's
        # complaint about a slow consumer. Files and permissions may have changed by the next attempt.
        if PERMISSIONS_ERR in err_msg.lower() or STALE_CONNECTION in err_msg or not self.is_connected:
            await super()._process_err(err_msg)
            return
        error = NatsError(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)


class ConnectionEvents:
    """Events of a connection: for the log, and for its user."""

    def __init__(self) -> None:
        self.last: Exception | None = None
        self.on_lost: Callable[[], None] | None = None
        self.on_back: Callable[[], None] = lambda: None

    async def on_error(self, error: Exception) -> None:
        # A broken connection says less than the server's preceding error.
        if not (isinstance(error, OSError) and isinstance(self.last, NatsError)):
            self.last = error
        logger.debug("NATS: %s", error)

    async def on_disconnected(self) -> None:
        if self.on_lost is not None:
            self.on_lost()

    async def on_reconnected(self) -> None:
        logger.info("NATS can be reached again")
        self.on_back()


async def connected(url: str, name: str, access: NatsAccess, member_seconds: float) -> tuple[Client, ConnectionEvents]:
    """Connect to one of several servers. ``name``: see ``NatsLink.open``, as for the other arguments.

    Raises:
        InvalidSettings: Invalid address.
        StoreUnavailable: None can be reached.
    """
    if diagnosis := diagnose_nats_url(url):
        raise InvalidSettings(f"nats_url {diagnosis}.")
    servers = nats_servers(url)
    client, events = SteadyClient(), ConnectionEvents()
    options = access.options(client)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.connect(
                servers,
                name=f"jikko {name}",
                connect_timeout=2,
                reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type]  # it is only slept for
                max_reconnect_attempts=1,
                pending_size=_PENDING,
                ping_interval=max(_MIN_PING_SECONDS, member_seconds * _PING_PART),  # type: ignore[arg-type]  # so is this
                max_outstanding_pings=_PINGS,
                error_cb=events.on_error,
                disconnected_cb=events.on_disconnected,
                reconnected_cb=events.on_reconnected,
                **options,
            )
    except NATS_ERRORS as error:
        await try_to(client.close())
        reason = events.last or error
        raise StoreUnavailable(
            f"NATS at {shown_servers(servers)} cannot be reached: {connection_failure(reason)}."
        ) from None
    return client, events


async def try_to(work: Awaitable[object]) -> None:
    """Await a NATS operation, ignoring failure."""
    try:
        await work
    except NATS_ERRORS as error:
        logger.debug("NATS: %s", error)
