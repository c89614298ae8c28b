"""Bodies of requests that are wrong, and the description of all bodies."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Struct

from jikko.dify.bodies import blocking_body, detail_body
from jikko.http.operation import Operation
from jikko.http.reference.openapi import OPERATIONS, openapi
from jikko.record import RunIdentity, RunRecord
from jikko.values import MAX_DEPTH
from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio

INPUTS = "inputs: is required and must be an object"
MODE = "response_mode: must be 'blocking', 'streaming' or 'async'"
FORM = "/v1/form/human_input/x"
RETRY = f"{RUN}/0199a1b2-0000-7000-8000-000000000000/retry"

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no user": (RUN, {}, "Arg user must be provided."),
    "a user of NULs": (RUN, {"user": "\0\0"}, "Arg user must be provided."),
    "true as user": (RUN, {"user": True}, "Arg user must be a string."),
    "a long user": (RUN, {"user": "👍" * 256}, "Arg user must have at most 255 characters."),
    "only a user": (RUN, {"user": "u"}, INPUTS),
    "inputs null": (RUN, {"user": "u", "inputs": None}, INPUTS),
    "inputs a list": (RUN, {"user": "u", "inputs": []}, "inputs: must be an object"),
    "all wrong": (
        RUN,
        {"user": "u", "inputs": "日本", "response_mode": "x", "files": {}},
        f"inputs: must be an object; {MODE}; files: must be a list of objects",
    ),
    "a file that is none": (RUN, {"user": "u", "inputs": {}, "files": [{}, "x"]}, "files: must be a list of objects"),
    "a form with nothing": (FORM, {"user": "u"}, f"action: is required and must be a string; {INPUTS}"),
    "a form of numbers": (
        FORM,
        {"user": "u", "action": 1, "inputs": 2},
        "action: must be a string; inputs: must be an object",
    ),
    "a retry of nothing": (RETRY, {"user": "u", "from_node_id": ""}, "from_node_id: must be the id of a node"),
    "a retry all wrong": (
        RETRY,
        {"user": "u", "from_node_id": 5, "response_mode": "\ue000"},
        f"from_node_id: must be the id of a node; {MODE}",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_all_that_is_wrong_with_a_body_is_told_at_once(client: httpx.AsyncClient, case: str) -> None:
    path, given, message = WRONG[case]

    answer = await client.post(path, json=given)

    assert answer.status_code == 400
    assert answer.json() == {"code": "invalid_param", "message": message, "status": 400}


async def test_a_user_may_be_a_number_and_have_nuls(client: httpx.AsyncClient, world: World) -> None:
    for user in (7, 1.5, "a\0b", "x" * 255 + "\0"):
        assert (await client.post(RUN, json={**body(), "user": user})).status_code == 200

    assert {record.identity.user for record in await world.store.scan()} == {"7", "1.5", "ab", "x" * 255}


async def test_null_stands_for_what_may_be_left_out(client: httpx.AsyncClient) -> None:
    given: dict[str, Any] = {
        "inputs": {},
        "user": "u",
        "response_mode": None,
        "files": None,
        "trace_session_id": None,
        "more": 1,
    }

    assert (await client.post(RUN, json=given)).json()["data"]["status"] == "succeeded"


def test_every_schema_of_the_description_is_one_and_is_there() -> None:
    description = openapi("0")
    schemas = description["components"]["schemas"]

    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    wanted = {body.__name__ for operation in OPERATIONS for body in bodies(operation)}
    assert wanted | {"Error"} <= schemas.keys()
    assert set(references(description)) <= {f"#/components/schemas/{name}" for name in schemas}


def bodies(operation: Operation) -> list[type[Struct]]:
    """What an operation takes and gives."""
    found = [answer for answer in operation.answers.values() if not isinstance(answer, str)]
    return found if operation.body is None else [*found, operation.body]


def references(value: Any) -> list[str]:
    """All references in a document."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for item in value.values() for found in references(item)]
    return []


async def test_answers_have_all_fields_that_the_description_requires(client: httpx.AsyncClient) -> None:
    schemas = openapi("0")["components"]["schemas"]
    started = (await client.post(RUN, json=body())).json()
    run = f"{RUN}/{started['workflow_run_id']}"

    for name, path in {
        "RunDetail": run,
        "NodeExecutions": f"{run}/node-executions",
        "EventLog": f"{run}/events",
        "Lineage": f"{run}/lineage",
        "LogPage": "/v1/workflows/logs",
        "Parameters": "/v1/parameters",
        "Site": "/v1/site",
        "Info": "/v1/info",
    }.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        Draft202012Validator(schema).validate((await client.get(path)).json())
    Draft202012Validator({"$ref": "#/components/schemas/RunAnswer", "components": {"schemas": schemas}}).validate(
        started
    )


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("RunRequest", {"inputs", "user"}),
        ("RetryRequest", {"user"}),
        ("Error", {"code", "message", "status"}),
        ("Stopped", {"result"}),
        ("UploadForm", {"file"}),
    ],
)
def test_what_may_be_left_out_is_described_as_such(name: str, required: set[str]) -> None:
    assert set(openapi("0")["components"]["schemas"][name]["required"]) == required


def test_an_answer_requires_what_it_always_has() -> None:
    schemas = openapi("0")["components"]["schemas"]

    assert set(schemas["NodeExecution"]["required"]) == set(schemas["NodeExecution"]["properties"])
    assert set(schemas["RunResult"]["properties"]) - set(schemas["RunResult"]["required"]) == {
        "paused_nodes",
        "reasons",
    }


def test_only_the_answer_to_a_start_tells_all_digits_of_the_time_that_a_run_took() -> None:
    identity = RunIdentity(
        run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="e", user="anna"
    )
    record = RunRecord(identity=identity, status="succeeded", elapsed=0.123456789, created_at=1.9, finished_at=2.9)

    started = msgspec.json.decode(blocking_body(record, {}))["data"]
    read = msgspec.json.decode(detail_body(record, lambda value: value))

    assert (started["elapsed_time"], read["elapsed_time"]) == (0.123456789, 0.123457)
    assert [(body["created_at"], body["finished_at"]) for body in (started, read)] == [(1, 2)] * 2


def test_run_detail_has_its_fields_in_the_order_of_dify() -> None:
    identity = RunIdentity(
        run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="e", user="anna"
    )

    read = msgspec.json.decode(detail_body(RunRecord(identity=identity, created_at=1.0), lambda value: value))

    assert " ".join(read) == (
        "id workflow_id status inputs outputs error total_steps total_tokens created_at finished_at elapsed_time"
    )


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The body is empty."),
    "a key without quotes": (b"{inputs: 1}", "The body is not JSON (line 1, column 2)."),
    "an end too early": (b'{"inputs": {', "The body is not JSON (line 1, column 13)."),
    "on another line": ('{\n "日本": "🌸",\n "b": x}'.encode(), "The body is not JSON (line 3, column 7)."),
    "NaN": (b'{"a":\n NaN}', "The body is not JSON (line 2, column 2)."),
    "more behind it": (b"{} {}", "The body is not JSON (line 1, column 4)."),
    "no UTF-8": ('{"日": "'.encode() + b'\xff"}', "The body is not JSON (line 1, column 8)."),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_body_that_is_no_json_is_told_where_it_is_none(client: httpx.AsyncClient, case: str) -> None:
    content, where = BROKEN[case]

    answer = await client.post(RUN, content=content, headers={"Content-Type": "application/json"})

    expected = f"The browser (or proxy) sent a request that this server could not understand. {where}"
    assert answer.json() == {"code": "bad_request", "message": expected, "status": 400}


SHAPES: dict[str, Callable[[float | None], Any]] = {
    "an object": lambda number: {"deep": [{"x": number}], "top": number, "text": "NaN, Infinity", "fine": 0.5},
    "a list": lambda number: [number, 1, [number], -0.0],
    "alone": lambda number: number,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
async def test_what_is_no_number_in_json_is_null_in_every_answer(
    client: httpx.AsyncClient, world: World, number: float, shape: str
) -> None:
    world.script.values["c"] = SHAPES[shape](number)
    shown = SHAPES[shape](None)

    blocking = await client.post(RUN, json=body())
    streamed = await client.post(RUN, json=body("streaming"))
    run = f"{RUN}/{blocking.json()['workflow_run_id']}"
    read = [await client.get(f"{run}{rest}") for rest in ("", "/node-executions", "/events")]

    assert blocking.json()["data"]["outputs"]["out"] == shown
    assert read[0].json()["outputs"]["out"] == shown
    for answer in (blocking, *read):
        assert_is_json(answer.text)
        assert number_free(answer.json())
    ends = [line[6:] for line in streamed.text.splitlines() if line.startswith("data: ")]
    for line in ends:
        assert_is_json(line)
    assert msgspec.json.decode(ends[-1])["data"]["outputs"]["out"] == shown


async def test_others_have_the_event_loop_while_a_large_body_is_decoded(client: httpx.AsyncClient) -> None:
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    turn()
    content = json.dumps(body(q="q", n=[0] * 300)).encode()
    small, large = content, content + b" " * 900_000
    taken = []
    for sent in (small, large):
        before = turns
        answer = await client.post(RUN, content=sent, headers={"Content-Type": "application/json"})
        taken.append(turns - before)
        assert answer.status_code == 200

    # A turn for each 64 KiB.
    assert taken[1] - taken[0] >= len(large) / 65_536 - 1


async def test_a_body_with_too_many_elements_is_refused_and_names_the_setting(client: httpx.AsyncClient) -> None:
    answer = await client.post(RUN, json=body(q="界", wide=[0] * 200_001))

    assert answer.status_code == 413
    assert answer.json()["message"] == (
        "The request body has more than 200000 elements of arrays and objects (the limit is set by JIKKO_MAX_ELEMENTS)."
    )


@pytest.mark.parametrize("filling", [0, 300_000])
@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1])
async def test_large_bodies_may_be_as_deep_as_small_ones(client: httpx.AsyncClient, levels: int, filling: int) -> None:
    # The body and its inputs are two levels.
    deep = b"[" * (levels - 2) + b"]" * (levels - 2)
    content = b'{"user": "u", "response_mode": "blocking", "inputs": {"deep": %b, "q": "%b"}}' % (deep, b"x" * filling)

    answer = await client.post(RUN, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == (200 if levels == MAX_DEPTH else 400)
    assert ("nested deeper than 256 levels" in answer.text) == (levels > MAX_DEPTH)


def assert_is_json(text: str) -> None:
    """Strictly: Python's reader takes more."""
    msgspec.json.decode(text)


def number_free(value: Any) -> bool:
    """Whether every number in it is one."""
    if isinstance(value, dict):
        return all(number_free(item) for item in value.values())
    if isinstance(value, list):
        return all(number_free(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
