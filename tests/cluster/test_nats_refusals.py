"""Why NATS cannot be reached or used, as operators read it: with the remedy, and without passwords."""

import errno
import ssl

import pytest
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import AccountLimits
from nats.js.errors import APIError, ServiceUnavailableError

from jikko.cluster.nats.nats_refusals import (
    account_shortage,
    connection_failure,
    shown_servers,
    unmet_requirement,
)


def test_addresses_are_shown_without_users_and_passwords() -> None:
    servers = ["nats://me:p%40ss@a.test:4222", "tls://b.test", "nats://token@[::1]:4222"]

    assert shown_servers(servers) == "a.test:4222, b.test, [::1]:4222"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "nothing there answers as NATS does; check host and port in nats_url"),
        (NatsError("nats: empty response from server when expecting INFO message"), "nothing there answers as NATS"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "it closes the connection; check that it accepts nats_cert"),
        (BrokenPipeError(errno.EPIPE, "pipe"), "it closes the connection"),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "[Errno 111] Connect call failed"),
            "Connection refused; check host and port in nats_url, and that NATS listens there",
        ),
        (PermissionError(1, "no"), "Operation not permitted; check host"),
        (OSError(-2, "Name or service not known"), "Name or service not known; check host"),
        (
            NatsError("nats: 'Authorization Violation'"),
            "Authorization Violation; check user and password in nats_url (in a password, write / @ # % and , as %2F",
        ),
        (ssl.SSLError(1, "tlsv13 alert certificate required"), "required; nats_certificate names that of this server"),
        (
            ssl.SSLError(1, "sslv3 alert bad certificate"),
            "bad certificate; it does not accept that of nats_certificate",
        ),
        (ssl.SSLError(1, "tlsv1 alert unknown ca"), "unknown ca; it does not accept that of nats_certificate"),
        (
            NatsError("nats: permissions violation for publish"),
            "permissions violation for publish; let the user publish and subscribe as docs/several-servers.md says",
        ),
        (NatsError("nats: maximum connections exceeded 🙅"), "maximum connections exceeded 🙅"),
        (NatsError(""), "Error"),
    ],
)
def test_a_connection_that_fails_is_told_with_what_to_check(error: Exception, told: str) -> None:
    said = connection_failure(error)

    assert told in said
    assert said.count(";") <= 1


@pytest.mark.parametrize(
    ("error", "before", "told"),
    [
        (NoRespondersError(), None, "it has no JetStream; start it with JetStream on"),
        (ServiceUnavailableError(code=503), None, "it has no JetStream"),
        (
            APIError(code=500, err_code=10005),
            None,
            "too few of its servers are there to keep 3 copies; start the others",
        ),
        (APIError(code=500, err_code=10047, description="insufficient storage"), None, "insufficient storage; "),
        (
            APIError(code=400, err_code=10113, description="bytes required"),
            None,
            "bytes required; leave max_bytes_required out of its account",
        ),
        (APIError(code=400, err_code=1, description="something 🙅"), None, "something 🙅"),
        (TimeoutError(), None, "JetStream does not answer; it may be off, or choosing a leader"),
        (TimeoutError(), NatsError("nats: slow consumer"), "JetStream does not answer"),
        (TimeoutError(), NatsError("nats: Permissions Violation"), "Permissions Violation; let the user publish"),
        (NatsError("nats: something else"), None, "something else"),
    ],
)
def test_what_is_missing_for_a_cluster_is_told(error: Exception, before: Exception | None, told: str) -> None:
    assert unmet_requirement(error, before).startswith(told)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, ""),
        ({"max_memory": 0}, "its account may keep too little"),
        ({"max_storage": 0}, "its account may keep too little"),
        ({"max_streams": 0}, "its account may keep too little"),
        ({"max_bytes_required": True}, "its account wants a bound for each stream; leave max_bytes_required out"),
    ],
)
def test_an_account_that_may_keep_too_little_is_told(limits: dict[str, int], told: str) -> None:
    unlimited = {"max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1, "max_ack_pending": -1}
    unlimited |= {"memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1, "max_bytes_required": False}

    said = account_shortage(AccountLimits(**{**unlimited, **limits}))  # type: ignore[arg-type]  # by name

    assert said.startswith(told) if told else said == ""
