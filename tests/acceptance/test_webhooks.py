"""Webhooks: `jikko triggers` and `jikko deliveries`, and calls that a server took before it was killed."""

import hashlib
import hmac
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from jikko.triggers.verification import PRESETS
from tests.acceptance.client import Client
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, form, node
from tests.effort import PATIENCE, trusted

post = partial(httpx.post, verify=trusted(), timeout=PATIENCE)

FLOW = """
app: {name: 注文, mode: workflow}
kind: app
version: 0.6.0
workflow:
  graph:
    nodes:
    - {id: hook, data: {type: trigger-webhook, title: hook, method: post,
        body: [{name: n, type: number, required: true}]}}
    - {id: code, data: {type: code, title: code, code_language: python3,
        code: "def main(n):\\n    return {'n': 6 // n}",
        variables: [{variable: n, value_selector: [hook, n]}], outputs: {n: {type: number}}}}
    - {id: end, data: {type: end, title: end, outputs: [{variable: n, value_selector: [code, n]}]}}
    edges:
    - {source: hook, target: code}
    - {source: code, target: end}
"""


@pytest.fixture
def path(jikko: Command, tmp_path: Path) -> str:
    """The address of the webhook of an app."""
    file = tmp_path / "flow.yml"
    file.write_text(FLOW, encoding="utf-8")
    [entry] = jikko.json("apps", "import", file)
    return f"/triggers/webhook/{entry['webhooks']['hook']}"


@pytest.fixture
def server(jikko: Command, path: str) -> Iterator[Server]:
    started = Server(jikko.home)
    yield started
    started.close()


def deliveries(jikko: Command, *options: str) -> list[dict[str, Any]]:
    return jikko.json("deliveries", "list", *options)


def states(jikko: Command) -> Counter[str]:
    return Counter(each["state"] for each in deliveries(jikko, "--limit", "1000"))


def test_a_delivery_is_listed_shown_replayed_and_discarded(jikko: Command, server: Server, path: str) -> None:
    taken = post(server.url + path, json={"n": 3, "名": "🙂"}, headers={"Idempotency-Key": "a"})
    again = post(server.url + path, json={"n": 3}, headers={"Idempotency-Key": "a"})
    failing = post(server.url + path, json={"n": 0})
    refused = post(server.url + path, json={"n": "3"})
    assert [each.status_code for each in (taken, again, failing, refused)] == [200, 200, 200, 400]
    assert [each.headers.get("Idempotency-Replayed") for each in (taken, again)] == [None, "true"]
    until(
        lambda: states(jikko) == {"done": 1, "duplicate": 1, "failed": 1, "refused": 1},
        "the deliveries are as expected",
    )

    newest = deliveries(jikko)
    assert [each["state"] for each in newest] == ["refused", "failed", "duplicate", "done"]
    assert {each["triggered_from"] for each in jikko.json("runs", "list")} == {"webhook"}
    listed = jikko.json("runs", "list", "--trigger", "注文/hook")
    assert [each["workflow_run_id"] for each in listed] == [*newest[1]["runs"], *newest[3]["runs"]]
    assert jikko.json("runs", "list", "--trigger", "webhook") == listed
    assert jikko.json("runs", "list", "--trigger", "schedule") == []
    assert jikko("runs", "list", "--trigger", "注文/hok").code == 7
    [key] = jikko.json("apps", "keys", "注文", "--new")
    with closing(Client(server.url, key["api_key"])) as client:
        kinds = ("webhook", "schedule")
        logged = {kind: client.get(f"/v1/workflows/logs?triggered_from={kind}")["data"] for kind in kinds}
    assert [each["workflow_run"]["id"] for each in logged["webhook"]] == [each["workflow_run_id"] for each in listed]
    assert logged["schedule"] == []
    assert " by webhook hook\n" in jikko("runs", "show", listed[0]["workflow_run_id"]).out
    assert jikko.json("runs", "show", listed[0]["workflow_run_id"])[0]["trigger"] == "hook"
    assert newest[0]["reason"] == "Parameter 'n' validation failed: Expected number, got str"
    assert newest[2]["runs"] == newest[3]["runs"]
    assert {each["trigger"] for each in newest} == {"注文/hook"}
    assert [each["id"] for each in deliveries(jikko, "--state", "failed")] == [newest[1]["id"]]
    [shown] = jikko.json("deliveries", "show", newest[3]["id"])
    assert shown["call"]["body"] == {"n": 3, "名": "🙂"}

    dry = jikko("deliveries", "replay", newest[3]["id"], "--dry")
    assert "  It would run from hook on, with version " in dry.out, dry.err
    [would] = jikko.json("deliveries", "replay", newest[1]["id"], "--dry")
    assert would["from_nodes"] == ["hook"]
    assert jikko("deliveries", "replay", newest[0]["id"], "--dry").code == 9
    assert len(jikko.json("runs", "list")) == 2

    [replayed] = jikko.json("deliveries", "replay", newest[3]["id"])
    until(
        lambda: jikko.json("deliveries", "show", newest[3]["id"])[0]["state"] == "done",
        "the deliveries are as expected",
    )
    [shown] = jikko.json("deliveries", "show", newest[3]["id"])
    assert shown["runs"] == [*newest[3]["runs"], replayed["run_id"]]

    [discarded] = jikko.json("deliveries", "discard", newest[1]["id"])
    assert discarded["state"] == "discarded"
    assert jikko("deliveries", "discard", newest[3]["id"]).code == 9
    assert jikko("deliveries", "show", "0199a1b2-0000-7000-8000-000000000000").code == 7


def test_what_failed_is_chosen_by_what_it_brought_and_run_again_or_set_aside(
    jikko: Command, server: Server, path: str
) -> None:
    for body in ({"n": 0, "種": "🙂", "of": [{"id": 7}]}, {"n": 0, "種": "別"}, {"n": 3, "種": "🙂"}):
        assert post(server.url + path, json=body).status_code == 200
    until(lambda: states(jikko) == {"done": 1, "failed": 2}, "the deliveries are as expected")
    done, other, failed = deliveries(jikko)
    assert [each["id"] for each in deliveries(jikko, "--where", "body.種=🙂")] == [done["id"], failed["id"]]
    assert [each["id"] for each in deliveries(jikko, "--where", "body.of.0.id=7")] == [failed["id"]]
    assert deliveries(jikko, "--where", "body.of.1.id=7") == deliveries(jikko, "--where", "body.n.x=3") == []

    would = jikko.json("deliveries", "replay", "--since", "2h", "--where", "body.種=🙂", "--dry")
    replayed = jikko.json("deliveries", "replay", "--since", "2h", "--trigger", "注文/hook")
    assert [each["delivery_id"] for each in would + replayed] == [failed["id"], failed["id"], other["id"]]
    until(lambda: len(jikko.json("runs", "list")) == 5, "both have run again")
    until(lambda: states(jikko) == {"done": 1, "failed": 2}, "the deliveries are as expected")

    discarded = jikko("deliveries", "discard", done["id"], failed["id"], "--json")
    assert (discarded.code, [each["id"] for each in discarded.lines]) == (1, [failed["id"]])
    assert f"{done['id']}: Delivery {done['id']} is done" in discarded.err
    assert [jikko("deliveries", *words).code for words in (("replay",), ("list", "--where", "n"))] == [2, 2]


def test_a_trigger_is_switched_off_and_fired(jikko: Command, server: Server, path: str) -> None:
    [listed] = jikko.json("triggers", "list", "--app", "注文")
    assert (listed["node_id"], listed["kind"], listed["enabled"], listed["path"]) == ("hook", "webhook", True, path)

    assert jikko.json("triggers", "disable", "注文/hook")[0]["enabled"] is False
    assert post(server.url + path, json={"n": 1}).status_code == 404
    assert jikko.json("triggers", "enable", listed["id"])[0]["enabled"] is True

    [fired] = jikko.json("triggers", "fire", "注文/hook", "--body", '{"n": 2}')
    assert fired == {
        "status": 200,
        "answer": {"status": "success", "message": "Webhook processed successfully"},
    }
    assert jikko("triggers", "fire", "注文/hook", "--body", "[]").code == 3
    until(lambda: states(jikko) == {"done": 1, "refused": 1}, "the deliveries are as expected")


def test_a_signed_call_is_taken_once_and_others_are_refused(jikko: Command, path: str, tmp_path: Path) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text("triggers: {注文/hook: {verify: github, secrets: ['${NEW}', '${OLD}']}}", encoding="utf-8")
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules), "NEW": "neu", "OLD": "alt"})
    try:
        body = '{"n": 3, "名": "🙂"}'.encode()
        signature = "sha256=" + hmac.new(b"alt", body, hashlib.sha256).hexdigest()
        headers = {
            "X-Hub-Signature-256": signature,
            "X-GitHub-Delivery": "72d3162e",
            "Content-Type": "application/json",
        }

        first, again = (post(server.url + path, content=body, headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
        other = post(server.url + path, content=body + b" ", headers=headers)
        assert (other.status_code, other.json()["error"]) == (401, "Unauthorized")
        assert post(server.url + path, json={"n": 3}).status_code == 401
        options = ("--as", "github", "--secret", "neu", "--body", '{"n": 2}')
        assert jikko.json("triggers", "fire", "注文/hook", *options)[0]["status"] == 200
        until(lambda: states(jikko) == {"done": 2, "duplicate": 1, "refused": 2}, "the deliveries are as expected")
        assert "alt" not in server.output
    finally:
        server.close()


def test_a_dry_call_says_what_would_become_of_it_without_a_server(jikko: Command, path: str, tmp_path: Path) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text("triggers: {注文/hook: {verify: github, secret: neu}}", encoding="utf-8")

    def dry(*options: str) -> tuple[int, dict[str, Any]]:
        done = jikko("triggers", "fire", "注文/hook", "--dry", "--json", *options, JIKKO_TRIGGERS=str(rules))
        return done.code, json.loads(done.out)

    code, taken = dry("--body", '{"n": 3}')
    assert (code, taken["verdict"], taken["status"], taken["inputs"]["body"]) == (0, "accepted", 200, {"n": 3})
    for options, status in (
        (("--body", '{"n": "三"}'), 400),
        (("--body", "{"), 400),
        (("--body", '{"n": 3}', "--secret", "alt"), 401),
        (("--body", '{"n": 3}', "--header", "Content-Type: text/plain"), 400),
    ):
        code, refused = dry(*options)
        assert (refused["verdict"], refused["status"], code > 0) == ("refused", status, True), refused
        assert refused["reason"]
    assert deliveries(jikko) == []

    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})
    try:
        options = ("--body", '{"n": 2}', "--header", "X-GitHub-Delivery: 72d3162e")
        assert jikko("triggers", "fire", "注文/hook", *options, JIKKO_TRIGGERS=str(rules)).code == 0
        _, again = dry(*options)
        [first] = deliveries(jikko)
        assert (again["verdict"], [again["run_id"]]) == ("duplicate", first["runs"])
    finally:
        server.close()


@pytest.mark.parametrize("sender", sorted(PRESETS))
def test_what_is_signed_as_a_sender_is_what_the_server_expects_of_it(
    sender: str, jikko: Command, path: str, tmp_path: Path
) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text(f"triggers: {{注文/hook: {{verify: {sender}, secret: 'user:neu'}}}}", encoding="utf-8")
    fire = ("triggers", "fire", "注文/hook", "--dry", "--body", '{"n": 3, "id": "evt_1"}')

    right = jikko(*fire, JIKKO_TRIGGERS=str(rules))
    wrong = jikko(*fire, "--secret", "user:alt", JIKKO_TRIGGERS=str(rules))

    assert (right.code, right.out) == (0, "accepted: 200\n")
    assert wrong.out.startswith("refused: 401")


def test_the_operator_has_a_webhook_wait_for_results_know_bodies_and_retry(
    jikko: Command, path: str, tmp_path: Path
) -> None:
    rules, address = tmp_path / "triggers.yml", "orders-of-the-shop-in-Kyoto"
    options = f"verify: bearer, secret: neu, address: {address}, once: body, retries: 1, wait: result"
    rules.write_text(f"triggers: {{注文/hook: {{{options}}}}}", encoding="utf-8")
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})
    fixed, headers = f"{server.url}/triggers/webhook/{address}", {"Authorization": "Bearer neu"}
    try:
        assert post(server.url + path, json={"n": 3}, headers=headers).status_code == 404
        [listed] = jikko("triggers", "list", "--json", JIKKO_TRIGGERS=str(rules)).lines
        assert listed["path"] == f"/triggers/webhook/{address}"

        first = post(fixed, json={"n": 3}, headers=headers)
        again = post(fixed, json={"n": 3}, headers=headers)
        hurried = post(fixed, json={"n": 2}, headers={**headers, "Prefer": "wait=1, respond-async"})
        assert (first.status_code, first.json()["data"]["outputs"]) == (200, {"n": 2})
        assert again.json()["workflow_run_id"] == first.json()["workflow_run_id"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (hurried.status_code, hurried.json()["status"]) == (200, "success")

        failed = post(fixed, json={"n": 0}, headers=headers)
        assert (failed.status_code, failed.json()["data"]["status"]) == (200, "failed")
        until(lambda: states(jikko) == {"done": 2, "duplicate": 1, "dead": 1}, "the retry has failed, too")
        [dead] = deliveries(jikko, "--state", "dead")
        assert (len(dead["runs"]), dead["runs"][0]) == (2, failed.json()["workflow_run_id"])
        assert jikko.json("deliveries", "discard", dead["id"])[0]["state"] == "discarded"
    finally:
        server.close()


def test_a_result_that_takes_too_long_is_promised(jikko: Command, tmp_path: Path) -> None:
    file, rules = tmp_path / "form.yml", tmp_path / "triggers.yml"
    nodes = [node("hook", "trigger-webhook", method="post"), form("long", "いい？"), end(out="hook.x")]
    file.write_text(app("長い", nodes, "hook>long long:yes>end"), "utf-8")
    [imported] = jikko.json("apps", "import", file)
    rules.write_text("triggers: {長い/hook: {wait: result, wait_within: 0.2s}}", encoding="utf-8")
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})
    try:
        promised = post(f"{server.url}/triggers/webhook/{imported['webhooks']['hook']}", json={})

        run_id = promised.json()["workflow_run_id"]
        assert (promised.status_code, promised.headers["Location"]) == (202, f"/v1/workflows/run/{run_id}")
        assert jikko("runs", "stop", run_id).code == 0
    finally:
        server.close()


def test_an_entry_of_the_triggers_file_that_matches_no_webhook_is_reported(
    jikko: Command, path: str, tmp_path: Path
) -> None:
    rules = tmp_path / "triggers.yml"
    right = "triggers: {注文/hook: {verify: bearer, secret: abc}}"
    wrong = right.replace("注文", "ちゅうもん")
    rules.write_text(wrong, encoding="utf-8")
    said = f"{rules}: ちゅうもん/hook matches no such trigger"

    def is_verified() -> bool:
        [listed] = json.loads(f"[{jikko('triggers', 'list', '--json', JIKKO_TRIGGERS=str(rules)).out}]")
        return bool(listed["verified"])

    assert not is_verified()
    assert "not verified" in jikko("triggers", "list", JIKKO_TRIGGERS=str(rules)).out
    assert said in jikko("doctor", "--lang", "en", JIKKO_TRIGGERS=str(rules)).out
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})
    try:
        until(lambda: said in server.output, "the entry is reported at the start")
        rules.write_text("triggers: {注文/hook: {overlap: skip}}", encoding="utf-8")
        assert jikko("reload").code == 0
        until(lambda: "注文/hook matches no such trigger" in server.output, "a webhook has no options of schedules")
        rules.write_text(right, encoding="utf-8")
        assert jikko("reload").code == 0
        until(lambda: post(server.url + path, json={"n": 1}).status_code == 401, "the file is read again")
        assert is_verified()
        rules.write_text(wrong.replace("ちゅうもん", "注/文"), encoding="utf-8")
        assert jikko("reload").code == 0
        until(
            lambda: "注/文/hook matches no such trigger" in server.output, "the entry is reported after reading again"
        )
    finally:
        server.close()


def test_a_captured_call_runs_once_and_its_credentials_are_not_kept(jikko: Command, path: str, tmp_path: Path) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text("triggers: {注文/hook: {verify: stripe, secret: abc}}", encoding="utf-8")
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})

    def call(body: bytes, after: str = "", at: int = 0) -> bool:
        """Whether a run began."""
        stamp = str(int(time.time()) - at)
        digest = hmac.new(b"abc", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        given = {"Stripe-Signature": f"t={stamp},v1={digest}{after}", "Content-Type": "application/json"}
        given |= {"Authorization": "Bearer s3cr3t", "Cookie": "s3cr3t"}
        answer = post(server.url + path, content=body, headers=given)
        assert answer.status_code == 200, answer.text
        return "Idempotency-Replayed" not in answer.headers

    try:
        assert call(b'{"n": 1, "id": "evt_1"}')
        assert not call(b'{"n": 1, "id": "evt_1"}', at=30)
        assert call(b'{"n": 1, "id": "evt_2"}', at=30)
        newest = deliveries(jikko)
        assert [each["sender_id"] for each in newest[:3]] == ["evt_2", "evt_1", "evt_1"]
        headers = jikko.json("deliveries", "show", newest[0]["id"])[0]["call"]["headers"]
        masked = {name for name, value in headers.items() if value == "***"}
        assert masked == {"Authorization", "Cookie", "Stripe-Signature"}
    finally:
        server.close()


UNSENDABLE = {
    "a header that is not Latin-1": ("--header", "X: 世界"),
    "a header of two lines": ("--header", "X: a\nb"),
    "a header without a name": ("--header", "a b: c"),
    "a server that is none": ("--url", "http://[::1"),
    "a server without a scheme": ("--url", "localhost:80"),
    "a secret that is not ASCII": ("--secret", "sécret"),
}


@pytest.mark.parametrize("options", UNSENDABLE.values(), ids=UNSENDABLE)
def test_a_call_that_cannot_be_sent_is_a_usage_error(
    jikko: Command, server: Server, path: str, options: tuple[str, str]
) -> None:
    outcome = jikko("triggers", "fire", "注文/hook", "--body", '{"n": 2}', *options)
    assert (outcome.code, "Traceback" in outcome.err) == (2, False), outcome.err
    assert options[0] in outcome.err


def test_what_is_fired_is_sent_as_given(jikko: Command, server: Server, path: str) -> None:
    given = ("--query", "a b=é&c=%20", "--header", "content-type: application/json; x=y", "--body", '{"n": 2}')
    assert jikko.json("triggers", "fire", "注文/hook", *given)[0]["status"] == 200
    assert jikko("triggers", "fire", "注文/hook", "--body", "\udcff").code == 3
    [taken] = deliveries(jikko, "--state", "done", "--state", "running", "--state", "waiting")
    brought = jikko.json("deliveries", "show", taken["id"])[0]["call"]
    assert brought["query_params"] == {"a b": "é", "c": " "}
    assert brought["headers"]["Content-Type"] == "application/json; x=y"


def test_the_error_of_an_absent_server_does_not_quote_the_address_of_the_webhook(jikko: Command, path: str) -> None:
    outcome = jikko("triggers", "fire", "注文/hook", "--url", "http://127.0.0.1:1")
    assert "127.0.0.1:1: no server answers" in outcome.err
    assert path not in outcome.out + outcome.err


def test_no_call_that_was_taken_is_lost_or_run_twice_by_a_kill(jikko: Command, path: str, tmp_path: Path) -> None:
    taken: list[int] = []
    for number in range(2):  # a run whose process died three times is given up
        server = Server(jikko.home)
        with httpx.Client(verify=trusted(), timeout=PATIENCE) as client:
            for call in range(20):
                key = f"{number} {call}"
                answer = client.post(server.url + path, json={"n": 1 + call}, headers={"Idempotency-Key": key})
                assert answer.status_code == 200
                taken.append(call)
        server.kill()
    server = Server(jikko.home)
    try:
        until(lambda: states(jikko) == {"done": len(taken)}, "the deliveries are as expected")
        repeated = post(server.url + path, json={"n": 1}, headers={"Idempotency-Key": "0 0"})
        assert repeated.headers["Idempotency-Replayed"] == "true"
        runs = [json.dumps(each["runs"]) for each in deliveries(jikko, "--limit", "1000", "--state", "done")]
        assert (len(runs), len(set(runs)), len(jikko.json("runs", "list", "--limit", "1000"))) == (40, 40, 40)
    finally:
        server.close()


ATTACKS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "a list": (400, b"[]", {}),
    "a scalar": (400, b"1", {}),
    "null": (400, b"null", {}),
    "an infinite number": (400, b'{"n": 1e400}', {}),
    "no JSON": (400, b"{", {}),
    "no text": (400, b'{"n": "\xff"}', {}),
    "half a character": (400, b'{"n": "\\ud800"}', {}),
    "deep nesting": (400, b'{"n": ' + b"[" * 5000 + b"]" * 5000 + b"}", {}),
    "a body of 11 MB": (413, b" " * 11_000_000, {}),
    "a form that is none": (400, b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=y"}),
    "a form without a boundary": (400, b"x", {"Content-Type": "multipart/form-data"}),
    "another content type": (400, b"<a/>", {"Content-Type": "application/xml"}),
    "a content type that is none": (400, b"{}", {"Content-Type": "; ;"}),
    "a thousand headers": (431, b"{}", {f"X-{number}": "1" for number in range(1000)}),
    "a header of 1 MB": (431, b"{}", {"X-Long": "x" * 1_000_000}),
    "a thousand parameters": (400, b"n=1&" * 1001, {"Content-Type": "application/x-www-form-urlencoded"}),
}


def test_what_attackers_send_is_refused_and_starts_nothing(jikko: Command, server: Server, path: str) -> None:
    def status(at: str, body: bytes, headers: dict[str, str]) -> int:
        given = {"Content-Type": "application/json", **headers}
        return post(server.url + at, content=body, headers=given).status_code

    found = {name: status(path, body, headers) for name, (_, body, headers) in ATTACKS.items()}
    assert found == {name: wanted for name, (wanted, _, _) in ATTACKS.items()}
    large = post(server.url + path, content=b" " * 10_485_761)
    assert "text/html" in large.headers["content-type"]
    assert "10485760 bytes." in large.text
    assert [status(path[:-1] + end, b"{}", {}) for end in ("", "é", "%2F", "'--", "x" * 5000)] == [404] * 5
    assert jikko.json("runs", "list") == []
    assert {each["state"] for each in deliveries(jikko)} == {"refused"}
    assert "Traceback" not in server.output


def test_a_body_that_comes_too_slowly_is_no_delivery_and_holds_up_no_other(jikko: Command, path: str) -> None:
    server = Server(jikko.home, settings={"JIKKO_BODY_SECONDS": "3"})
    address = urlsplit(server.url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    try:
        with ExitStack() as open_ones:
            slow = [
                open_ones.enter_context(socket.create_connection((address.hostname or "", address.port or 0), PATIENCE))
                for _ in range(20)
            ]
            for each in slow:
                each.sendall(head.encode() + b'{"n":')
            assert post(server.url + path, json={"n": 3}).status_code == 200
            answers = [each.recv(12) for each in slow]
        assert answers == [b"HTTP/1.1 408"] * 20
        until(lambda: states(jikko) == {"done": 1}, "the other call is the only delivery")
    finally:
        server.close()


def test_an_address_that_is_switched_off_cannot_be_told_from_one_that_never_was(
    jikko: Command, server: Server, path: str
) -> None:
    assert jikko("triggers", "disable", "注文/hook").code == 0
    off, guessed = (
        post(server.url + at, json={"n": 1}) for at in (path, path[:-1] + ("A" if path[-1] != "A" else "B"))
    )

    def seen(answer: httpx.Response) -> tuple[int, bytes, list[str]]:
        return answer.status_code, answer.content, sorted(answer.headers)

    assert seen(off) == seen(guessed)
    assert off.status_code == 404
    assert deliveries(jikko) == []


def test_an_old_signature_and_a_time_outside_the_tolerance_start_nothing(
    jikko: Command, path: str, tmp_path: Path
) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text("triggers: {注文/hook: {verify: stripe, secret: neu, tolerance: 60}}", encoding="utf-8")
    server = Server(jikko.home, settings={"JIKKO_TRIGGERS": str(rules)})

    def call(age: float, body: bytes = b'{"n": 3}', signed: bytes = b'{"n": 3}', also: str = "") -> int:
        stamp = str(int(time.time() - age))
        right = hmac.new(b"neu", f"{stamp}.".encode() + signed, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={stamp},{also}v1={right}", "Content-Type": "application/json"}
        return post(server.url + path, content=body, headers=headers).status_code

    try:
        assert call(0) == 200
        assert [call(600), call(-600)] == [401, 401]
        assert call(0, body=b'{"n": 4}') == 401
        assert call(0, also=f"v1={'0' * 64},") == 200  # one of two signatures fits, as while a secret is changed
        assert Counter(each["verdict"] for each in deliveries(jikko))["refused"] == 3
    finally:
        server.close()
