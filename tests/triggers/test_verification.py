"""Who called a webhook: signatures that senders have published, and what attackers try."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings, Unauthorized
from jikko.triggers.verification import (
    PRESETS,
    Verification,
    challenge_of,
    require_verified,
    signed_headers,
    with_secrets,
)
from jikko.triggers.webhook_options import parse_webhook_options, read_trigger_ids, read_webhook_options

NOW = 1_700_000_000.0
ID = "01a21069-21d3-76c6-be60-4605da1417ed"
BODY = '{"名": "🙂"}'.encode()
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789").decode()
SLACK = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    b"803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED: Mapping[str, tuple[str, dict[str, str], bytes, float]] = {
    "standard-webhooks": (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1_614_265_330.0,
    ),
    "github": (
        "It's a Secret to Everybody",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
        NOW,
    ),
    "slack": (
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        SLACK,
        1_531_420_618.0,
    ),
}


def of(preset: str, *secrets: str) -> Verification:
    return with_secrets(PRESETS[preset], secrets or (SECRET,))


def signed(how: Verification, body: bytes = BODY) -> dict[str, str]:
    made = signed_headers(how, body, call_id="call 1", now=NOW)
    return {name.lower(): value for name, value in made.items()}


def is_let_in(how: Verification, headers: Mapping[str, str], body: bytes = BODY, now: float = NOW) -> bool:
    try:
        require_verified(how, headers.get, body, now)
    except Unauthorized:
        return False
    return True


@pytest.mark.parametrize("preset", PUBLISHED)
def test_signatures_that_senders_have_published_are_accepted(preset: str) -> None:
    secret, headers, body, at = PUBLISHED[preset]

    assert is_let_in(of(preset, secret), headers, body, at)
    assert not is_let_in(of(preset, secret), headers, body + b" ", at)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_signed_with_either_of_two_secrets_is_accepted_and_nothing_else(preset: str) -> None:
    old, new = "old:sécret", "new:sécret"
    both = of(preset, new, old)

    assert is_let_in(both, signed(of(preset, old)))
    assert is_let_in(both, signed(of(preset, new)))
    assert not is_let_in(both, signed(of(preset, "other:secret")))
    assert not is_let_in(both, {})
    assert not is_let_in(with_secrets(both, ()), signed(of(preset, "")))


@pytest.mark.parametrize("preset", [name for name, how in PRESETS.items() if how.scheme == "signature"])
def test_a_signature_is_over_the_very_bytes(preset: str) -> None:
    how = of(preset)

    assert is_let_in(how, signed(how))
    assert not is_let_in(how, signed(how), BODY.replace(b" ", b""))
    assert not is_let_in(how, signed(how, b""))


@pytest.mark.parametrize("preset", [name for name, how in PRESETS.items() if "{timestamp}" in how.signed])
def test_a_timestamp_may_be_off_by_the_tolerance(preset: str) -> None:
    how = of(preset)

    assert is_let_in(how, signed(how), now=NOW + 300)
    assert not is_let_in(how, signed(how), now=NOW + 301)
    assert not is_let_in(how, signed(how), now=NOW - 301)


@pytest.mark.parametrize("stamp", ["", "now", "1e9", "-1", "١٧٠٠", "9" * 400])
def test_a_timestamp_that_is_none_is_refused(stamp: str) -> None:
    how = of("slack")
    assert not is_let_in(how, signed(how) | {"x-slack-request-timestamp": stamp})


def test_of_several_signatures_one_must_fit_and_a_flood_is_cut_off() -> None:
    how = of("standard-webhooks")
    headers = signed(how)
    right = headers["webhook-signature"]

    assert is_let_in(how, headers | {"webhook-signature": f"v1,AAAA v1a,x {right}"})
    assert not is_let_in(how, headers | {"webhook-signature": " ".join(["v1,AAAA"] * 16 + [right])})
    assert not is_let_in(how, headers | {"webhook-signature": "v1,\udcff"})
    assert not is_let_in(how, headers | {"webhook-id": "another"})


REPLAYED: Mapping[str, tuple[Verification, tuple[dict[str, str], ...]]] = {
    "stripe": (
        PRESETS["stripe"],
        ({"stripe-signature": "{}, v1=junk"}, {"stripe-signature": "v0=x,{}"}, {"stripe-signature": "{}\xa0"}),
    ),
    "slack": (PRESETS["slack"], ({"x-slack-signature": "{}\xa0"}, {"x-slack-signature": " {}"})),
    "an id that is not signed": (
        Verification(
            header="x-sign", signed="{timestamp}.{body}", timestamp_header="x-time", separator=",", id_header="x-id"
        ),
        ({"x-id": "another"}, {"x-sign": "{},junk"}),
    ),
}


@pytest.mark.parametrize("sender", REPLAYED)
def test_a_captured_call_has_one_id_whatever_is_changed_that_is_not_signed(sender: str) -> None:
    template, changes = REPLAYED[sender]
    how = with_secrets(template, ["neu", "alt"])
    headers = signed(with_secrets(template, ["alt"]))
    call_id = require_verified(how, headers.get, BODY, NOW)

    assert call_id
    for change in changes:
        altered = headers | {name: value.format(headers[name]) for name, value in change.items()}
        assert require_verified(how, altered.get, BODY, NOW) == call_id
    later = {name.lower(): value for name, value in signed_headers(how, BODY, call_id="call 1", now=NOW + 1).items()}
    assert require_verified(how, later.get, BODY, NOW) != call_id
    assert require_verified(how, signed(how, b"{}").get, b"{}", NOW) != call_id


def test_of_a_call_that_is_signed_with_both_secrets_either_signature_gives_the_same_id() -> None:
    how = of("stripe", "neu", "alt")
    both = [signed(of("stripe", secret))["stripe-signature"] for secret in ("neu", "alt")]

    ids = {require_verified(how, {"stripe-signature": each}.get, BODY, NOW) for each in (*both, ",".join(both))}
    assert len(ids) == 1


def test_an_id_that_is_signed_or_sent_without_a_timestamp_is_that_of_the_sender() -> None:
    for preset in ("standard-webhooks", "github", "shopify"):
        assert require_verified(of(preset), signed(of(preset)).get, BODY, NOW) == "call 1"


class Unread(bytes):
    """A body of which no digest may be computed."""

    def __buffer__(self, flags: int) -> memoryview:
        raise AssertionError("it was read")


@pytest.mark.parametrize("headers", [{}, {"x-slack-signature": "v0="}, {"x-slack-signature": "v0=00"}])
def test_a_body_without_signature_or_timestamp_is_not_read(headers: dict[str, str]) -> None:
    assert not is_let_in(of("slack"), headers, Unread(BODY))


def test_a_template_covers_other_senders() -> None:
    found = parse_webhook_options(
        """
triggers:
  注文/hook:
    verify: {header: X-Sign, signed: "{timestamp}:{body}", algorithm: sha512, encoding: base64, prefix: "s=",
      timestamp_header: X-Time, id_header: X-Id}
    secrets: ["${NEW}", "${OLD}"]
    tolerance: 10
  b/hook: {verify: github, secret: "${UNSET}"}
""",
        {"NEW": "neu", "OLD": "alt"},
    )

    how, unset = (found[name].verification for name in ("注文/hook", "b/hook"))
    assert how is not None
    assert unset is not None
    assert (how.secrets, how.id_header, how.tolerance) == (("neu", "alt"), "x-id", 10.0)
    assert is_let_in(how, signed(with_secrets(how, ["alt"])), now=NOW + 10)
    assert not is_let_in(how, signed(how), now=NOW + 11)
    assert not is_let_in(unset, signed(of("github", "")))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{verify: gitlab, secret: x}", "verify"),
        ("{verify: github}", "secrets"),
        ("{verify: 5, secret: x}", "verify"),
        ("{verify: github, secrets: [a, b, c]}", "secrets: are more than 2"),
        ("{verify: github, secrets: [a, 5]}", "secrets: is missing"),
        ("{verify: github, secret: x, other: 1}", "other"),
        ("{secret: x}", "verify"),
        ("{once: body}", "needs verify"),
        ("{address: short}", "expected 24 to 64"),
        ("{id: clock}", "expected a UUID"),
        ("{retries: 101}", "is more than 100"),
        ("{retries: -1}", "retries"),
        ("{wait: result, wait_within: soon}", "'soon' is not a duration"),
        ("{retries: 1, overlap: skip}", "overlap"),
        ("{verify: bearer, secret: sécret}", "secrets: have other characters than those of printable ASCII"),
        ('{verify: github, secret: "a\\tb"}', "secrets: have other characters"),
        ("{verify: {header: X, signed: x}, secret: x}", "signed"),
        ("{verify: {signed: '{body}'}, secret: x}", "header"),
        ("{verify: {header: X, algorithm: md5}, secret: x}", "algorithm"),
        ("{verify: {header: X, signed: '{timestamp}{body}'}, secret: x}", "timestamp_header"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(entry: str, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=f"line 2.*{problem}"):
        parse_webhook_options(f"triggers:\n  a/hook: {entry}\n", {})


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (f"id: {ID}", "id: is that of two triggers"),
        (f"address: {ID}", "address: is that of two webhooks"),
    ],
)
def test_what_two_entries_have_in_common_is_told_with_its_place(entry: str, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=f"line 3.*{problem}"):
        parse_webhook_options(f"triggers:\n  a/hook: {{{entry}}}\n  b/hook: {{{entry}}}\n", {})


def test_the_file_is_named_and_ids_are_read_in_any_case(tmp_path: Path) -> None:
    file = tmp_path / "予定.yml"
    file.write_text(f"triggers: {{a/hook: {{id: {ID.upper()}}}, b/hook: {{retries: x}}}}")

    assert read_trigger_ids(file, {}) == {"a/hook": ID}
    assert read_webhook_options(None, {}) == {}
    with pytest.raises(InvalidSettings, match=r"予定\.yml(?s:.*)retries"):
        read_webhook_options(file, {})


def test_questions_for_a_proof_of_the_address_are_answered() -> None:
    asked = b'{"type": "url_verification", "challenge": "3eZb"}'
    meta = {"hub.mode": "subscribe", "hub.verify_token": SECRET, "hub.challenge": "1158"}

    assert challenge_of(of("slack"), {}, asked) == "3eZb"
    assert challenge_of(of("slack"), {}, b'{"type": "event", "text": "url_verification"}') is None
    assert challenge_of(of("slack"), {}, b"url_verification") is None
    assert challenge_of(of("meta"), meta, b"") == "1158"
    assert challenge_of(of("meta"), {}, b"") is None
    with pytest.raises(Unauthorized):
        challenge_of(of("meta"), meta | {"hub.verify_token": "guess"}, b"")
    assert challenge_of(of("github"), meta, asked) is None
