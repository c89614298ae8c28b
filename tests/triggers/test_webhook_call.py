"""Calls of webhooks: which fit what a node declares, and how their values are converted."""

from typing import Any

import pytest

from jikko.errors import BadRequest
from jikko.nodes.flow.trigger import WebhookConfig
from jikko.triggers.receiving import detected_type
from jikko.triggers.webhook_call import (
    Unconvertible,
    WebhookCall,
    answer_of,
    body_of,
    checked,
    headers_of,
    query_of,
    without_secrets,
)


def config(**data: Any) -> WebhookConfig:
    return WebhookConfig.of({"method": "post", **data})


def call(**given: Any) -> WebhookCall:
    values: dict[str, Any] = {"method": "POST", "headers": {}, "query": {}, "body": {}}
    return WebhookCall(**values | given)


def why(of: WebhookConfig, sent: WebhookCall) -> str:
    with pytest.raises(BadRequest) as refused:
        checked(of, sent)
    return str(refused.value)


def test_method_and_content_type_must_be_those_of_the_node() -> None:
    assert why(config(), call(method="GET")) == "HTTP method mismatch. Expected POST, got GET"
    assert why(config(content_type="text/plain"), call()) == (
        "Content-type mismatch. Expected text/plain, got application/json"
    )
    assert checked(config(), call(headers={"Content-Type": "Application/JSON; charset=x"}))


def test_required_headers_are_compared_without_case_and_dashes() -> None:
    wanted = config(headers=[{"name": "x_token-ID", "required": True}, {"name": "other"}])

    assert checked(wanted, call(headers={"X-Token-Id": ""}))
    assert why(wanted, call(headers={"Token": "1"})) == "Required header missing: x_token-ID"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *[("number", text, value) for text, value in (("-2.0", -2), ("1e3", 1000), (" 7 ", 7), ("0.5", 0.5))],
        *[("boolean", text, True) for text in ("true", "1", "YES")],
        *[("boolean", text, False) for text in ("False", "0", "no")],
        ("string", "", ""),
    ],
)
def test_parameters_of_the_query_become_values_of_their_types(kind: str, text: str, value: object) -> None:
    found = checked(config(params=[{"name": "p", "type": kind}]), call(query={"p": text, "else": "1"}))

    assert found.query == {"p": value, "else": "1"}
    assert type(found.query["p"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        *[("number", text, f"Cannot convert '{text}' to number") for text in ("", "one", "1e400", "nan", "-inf")],
        *[("boolean", text, f"Cannot convert '{text}' to boolean") for text in ("", "on", "2")],
        ("object", "{}", "Unsupported type 'object' for form data parameter 'p'"),
    ],
)
def test_texts_that_are_no_values_of_their_types_are_refused(kind: str, text: str, reason: str) -> None:
    found = why(config(params=[{"name": "p", "type": kind}]), call(query={"p": text}))

    assert found == f"Parameter 'p' validation failed: {reason}"


@pytest.mark.parametrize("kind", ["number", "boolean"])
def test_the_reason_that_is_kept_does_not_quote_what_was_sent_and_the_answer_only_its_beginning(kind: str) -> None:
    with pytest.raises(Unconvertible) as refused:
        checked(config(params=[{"name": "p", "type": kind}]), call(query={"p": "令" * 5000}))

    assert str(refused.value) == f"Parameter 'p' validation failed: Cannot convert '{'令' * 60}' to {kind}"
    assert refused.value.reason == f"Parameter 'p' validation failed: Cannot convert the value to {kind}"


def test_headers_with_credentials_are_masked_unless_the_node_declares_them() -> None:
    sent = {"Authorization": "Bearer x", "Cookie": "a=b", "Proxy-Authorization": "x", "X-Sign": "x", "Accept": "*/*"}
    declared = config(headers=[{"name": "cookie"}, {"name": "x_sign"}])

    masked = dict.fromkeys(sent, "***") | {"Accept": "*/*"}
    assert without_secrets(config(), sent, "x-sign") == masked
    assert without_secrets(declared, sent, "x-sign") == masked | {"Cookie": "a=b", "X-Sign": "x"}


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("string", 1, "Expected string, got int"),
        ("string", None, "Expected string, got NoneType"),
        ("number", "1", "Expected number, got str"),
        ("boolean", 1, "Expected boolean, got int"),
        ("object", [], "Expected object, got list"),
        ("array[string]", "x", "Expected array of strings, got str"),
        ("array[number]", ["1"], "Expected array of numbers, got list"),
        ("array[boolean]", [0], "Expected array of booleans, got list"),
        ("array[object]", [[]], "Expected array of objects, got list"),
    ],
)
def test_values_of_json_that_are_not_of_their_types_are_refused(kind: str, value: object, reason: str) -> None:
    found = why(config(body=[{"name": "値", "type": kind}]), call(body={"値": value}))

    assert found == f"Parameter '値' validation failed: {reason}"


@pytest.mark.parametrize(("kind", "value"), [("number", True), ("number", 1.0), ("array[object]", []), ("file", 3)])
def test_values_of_json_stay_as_they_are(kind: str, value: object) -> None:
    assert checked(config(body=[{"name": "v", "type": kind}]), call(body={"v": value})).body == {"v": value}


def test_required_means_present_and_of_a_text_or_bytes_not_empty() -> None:
    wanted: dict[str, Any] = {"body": [{"name": "a", "required": True}]}
    plain = {"Content-Type": "text/plain"}

    assert checked(config(**wanted), call(body={"a": ""}))
    assert why(config(**wanted), call()) == "Required body parameter missing: a"
    assert why(config(content_type="text/plain", **wanted), call(headers=plain, body={"raw": ""})) == (
        "Required body content missing for text/plain request"
    )


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_body_of_json_is_an_object(value: Any) -> None:
    with pytest.raises(BadRequest, match="Invalid JSON body"):
        body_of("application/json", b"...", value)


def test_bodies_are_read_by_their_content_type() -> None:
    assert body_of("application/json", b" ") == {}
    assert body_of("application/x-www-form-urlencoded", b"a=1&a=2&b=") == {"a": "1", "b": ""}
    assert body_of("application/xml", "<良い/>".encode()) == {"raw": "<良い/>"}


def test_headers_have_one_spelling_and_the_first_parameter_counts() -> None:
    raw = [(b"x-a", b"1"), (b"X-A", b"2"), (b"content-TYPE", b"text/plain")]

    assert headers_of(raw) == {"X-A": "1,2", "Content-Type": "text/plain"}
    assert query_of("a=1&a=2&%F0%9F%99%82=x") == {"a": "1", "🙂": "x"}
    with pytest.raises(BadRequest, match="More than 1000"):
        query_of("&".join(["a=1"] * 1001))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", b'{"status":"success","message":"Webhook processed successfully"}'),
        (' {"a": [1]}', b'{"a": [1]}'),
        ("[1]", b"[1]"),
        ('"quoted"', b'{"message":"\\"quoted\\""}'),
        ("{not json", b'{"message":"{not json"}'),
        ("{{#hook.q#}}", b'{"message":"{{#hook.q#}}"}'),
    ],
)
def test_the_answer_is_json(text: str, answer: bytes) -> None:
    assert answer_of(config(response_body=text)) == answer


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"some bytes", "text/plain"),
        (b" <!DOCTYPE html><p>", "text/html"),
        (b"<?xml version='1.0'?>", "text/xml"),
        (b"\x89PNG\r\n\x1a\n..", "image/png"),
        (b"RIFF1234WEBP", "image/webp"),
        (b"\x00\x01", "application/octet-stream"),
        (b"\xff\xfe\xfd", "application/octet-stream"),
        ("良".encode() * 30_000, "text/plain"),
    ],
)
def test_the_type_of_bytes_is_seen_by_how_they_begin(content: bytes, kind: str) -> None:
    assert detected_type(content) == kind
