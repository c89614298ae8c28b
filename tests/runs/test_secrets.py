"""Secrets stay in the process."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from jikko.assemble import assemble
from jikko.events import NodeFinished, RunStarted
from jikko.runs.runs import StartRequest
from jikko.runs.secrets import Secrets, mask, masked
from jikko.settings import Settings
from jikko.values import encode_json
from tests.runs.workflows import dsl, end, node, start

SECRET = "tok-12345-秘密-Ünïcödé"


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def finished(**outputs: object) -> NodeFinished:
    return NodeFinished(
        at=1.0, execution_id="e", node_id="n", node_type="code", index=1, started_at=1.0, elapsed=0.0,
        status="succeeded", outputs=outputs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("", "", id="nothing of nothing"),
        pytest.param("short", "*" * 20, id="only asterisks of a short one"),
        pytest.param("abcdefghij", "abcdef" + "*" * 12 + "ij", id="beginning and end of a long one"),
    ],
)
def test_a_mask_tells_little(value: str, shown: str) -> None:
    assert mask(value) == shown


def test_what_is_hidden_can_be_revealed_for_the_engine_and_is_masked_for_everybody_else() -> None:
    secrets = Secrets({"KEY": SECRET})
    event = finished(header=f"Bearer {SECRET}", nested=[{"deep": SECRET}])

    hidden = secrets.hide(event)

    assert SECRET not in encode_json(hidden).decode()
    assert secrets.reveal(hidden) == event
    assert mask(SECRET) in masked(encode_json(hidden)).decode()


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda secret: urlencode({"key": secret}), id="in a form"),
        pytest.param(lambda secret: f"http://x.test/{quote(secret)}", id="in a path"),
        pytest.param(lambda secret: f"http://x.test/?{quote(secret, safe='')}", id="in a query"),
        pytest.param(lambda secret: json.dumps({"key": secret}), id="in JSON"),
        pytest.param(lambda secret: json.dumps({"key": secret}, ensure_ascii=False), id="in JSON with other letters"),
    ],
)
def test_a_secret_is_hidden_as_nodes_write_it(write: Callable[[str], str]) -> None:
    secret = 'pa ss/"w\\örd&'
    secrets = Secrets({"KEY": secret})
    event = finished(request=write(secret))

    hidden = secrets.hide(event)

    assert json.loads(masked(encode_json(hidden)))["outputs"]["request"] == write("MARK").replace("MARK", mask(secret))
    assert secrets.reveal(hidden) == event


def test_an_event_without_secrets_is_handed_on_as_it_is() -> None:
    event = finished(text="nothing to hide")

    assert Secrets({"KEY": SECRET}).hide(event) is event


def test_a_mark_that_a_user_forges_is_not_taken_for_a_secret() -> None:
    secrets = Secrets({"KEY": SECRET})
    genuine = secrets.hide(finished(value=SECRET)).outputs["value"]  # type: ignore[union-attr]

    again = secrets.reveal(secrets.hide(finished(value=genuine)))

    assert SECRET not in encode_json(again).decode()


@pytest.mark.anyio
async def test_nothing_that_the_process_writes_holds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environment = [{"name": "KEY", "value_type": "secret", "value": SECRET}]
    nodes = [
        start("q"),
        node("join", "variable-aggregator", variables=[["env", "KEY"]]),
        node("bad", "http-request", method="get", url="{{#env.KEY#}}", error_strategy="fail-branch"),
        end(key=["env", "KEY"], joined=["join", "output"], error=["bad", "error_message"]),
    ]
    edges = ["start --> join", "join --> bad", "bad --fail-branch--> end"]
    async with assemble(Settings(home=tmp_path)) as assembly:
        published = await assembly.apps.publish(dsl(nodes, edges, environment=environment), source="test")
        live = await assembly.runs.start(published.app, StartRequest(inputs={"q": SECRET}, user="u"))
        await live.ended()
        events = await assembly.runs.records.events(live.record)
        record = await assembly.runs.records.any_record(live.record.owner.run_id)

    assert isinstance(events[0], RunStarted)
    written = [encode_json(events).decode(), record.inputs, record.outputs.decode(), record.error or "", caplog.text]
    assert not any(SECRET in text for text in written)
    assert mask(SECRET) in masked(record.outputs).decode()
    assert not any(SECRET.encode() in content for content in contents(tmp_path))
