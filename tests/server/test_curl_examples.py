"""The lines with which an app is tried out. That they run is in ``tests/acceptance/test_curl_examples.py``."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from jikko.repositories.app_store import App
from jikko.server.curl_examples import bearer, example_lines
from tests.acceptance.workflows import end, node
from tests.conversations.chats import chat_app
from tests.runs.world import World

pytestmark = pytest.mark.anyio
BASE = "http://127.0.0.1:8000"


def variable(name: str, kind: str, *, required: bool = True, **more: Any) -> dict[str, Any]:
    return {"variable": name, "label": name, "type": kind, "required": required, **more}


async def app_with(world: World, *variables: dict[str, Any]) -> App:
    return await world.app("Tried", [node("start", "start", variables=list(variables)), end()], "start>end")


async def lines(world: World, app: App, authorization: str = "'A: k'") -> list[str]:
    return example_lines(BASE, authorization, await world.process().workflows.get(app))


def body_of(line: str) -> Any:
    """What a line with ``curl`` sends. Ids of uploads, which are variables of the shell, stay as they are."""
    words = shlex.split(line)
    return json.loads(words[words.index("-d") + 1])


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_is_in_the_line_or_read_from_its_file() -> None:
    assert shlex.split(bearer("app-1", None)) == ["Authorization: Bearer app-1"]
    assert bearer("app-1", Path("/tmp/a b")) == "\"Authorization: Bearer $(cat '/tmp/a b')\""


async def test_a_run_is_started_as_a_stream_with_samples_of_the_inputs(world: World) -> None:
    app = await app_with(
        world, variable("q", "paragraph"), variable("n", "number"), variable("optional", "text-input", required=False)
    )

    [line] = await lines(world, app)

    words = shlex.split(line)
    assert line.startswith("  curl -N ")
    assert words[2] == f"{BASE}/v1/workflows/run"
    assert words[3:7] == ["-H", "A: k", "-H", "Content-Type: application/json"]
    body = body_of(line)
    assert body == {"inputs": body["inputs"], "user": "me", "response_mode": "streaming"}
    assert {"q", "n"} <= body["inputs"].keys()
    assert isinstance(body["inputs"]["n"], int | float)


async def test_a_chat_app_is_asked_something_in_a_new_conversation(world: World) -> None:
    app = await chat_app(world, [node("start", "start", variables=[]), node("a", "answer", answer="x")], "start>a")

    [line] = await lines(world, app)

    assert shlex.split(line)[2] == f"{BASE}/v1/chat-messages"
    assert body_of(line) == {
        "query": "Hello!",
        "inputs": {},
        "user": "me",
        "response_mode": "streaming",
        "conversation_id": "",
    }


@pytest.mark.parametrize(
    ("allowed", "declared", "name", "mime"),
    [
        ({"allowed_file_types": ["document"]}, "document", "sample.txt", "text/plain"),
        ({"allowed_file_types": ["image"]}, "image", "sample.png", "image/png"),
        ({"allowed_file_types": ["audio"]}, "audio", "sample.mp3", "audio/mpeg"),
        ({"allowed_file_types": ["video"]}, "video", "sample.mp4", "video/mp4"),
        (
            {"allowed_file_types": ["custom"], "allowed_file_extensions": [".zzz"]},
            "custom",
            "sample.zzz",
            "application/octet-stream",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["file", "file-list"])
async def test_a_file_is_uploaded_first_of_a_type_that_the_input_takes(
    world: World, kind: str, allowed: dict[str, Any], declared: str, name: str, mime: str
) -> None:
    methods: dict[str, Any] = {"allowed_file_upload_methods": ["local_file"]}
    app = await app_with(
        world, variable("one", kind, **allowed, **methods), variable("two", kind, **allowed, **methods)
    )

    first, second, run = await lines(world, app)

    for number, upload in enumerate((first, second), 1):
        assert upload.startswith(
            f"  FILE_{number}=$(echo sample | curl -s {BASE}/v1/files/upload -H 'A: k' -F user=me "
        )
        assert f"file=@-;filename={name};type={mime}" in upload
    inputs = body_of(run)["inputs"]
    for number, given in enumerate((inputs["one"], inputs["two"]), 1):
        file = given[0] if kind == "file-list" else given
        assert file == {"type": declared, "transfer_method": "local_file", "upload_file_id": f"$FILE_{number}"}
    # The shell puts the ids there: outside of single quotation marks, and inside of double ones.
    assert re.findall(r"'\"\$FILE_\d\"'", run) == ["'\"$FILE_1\"'", "'\"$FILE_2\"'"]


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (
            {"type": "file", "allowed_file_types": ["image"], "allowed_file_upload_methods": ["remote_url"]},
            "its input 'v' accepts files only by URL",
        ),
        (
            {"type": "file", "allowed_file_types": ["custom"], "allowed_file_upload_methods": ["local_file"]},
            "its input 'v' accepts no file extension",
        ),
        (
            {
                "type": "json_object",
                "json_schema": json.dumps({"type": "object", "required": ["a"], "minProperties": 99}),
            },
            "its input 'v' has a JSON schema for which no sample was found",
        ),
    ],
)
async def test_where_there_is_no_sample_the_reason_stands_in_place_of_a_line(
    world: World, of: dict[str, Any], reason: str
) -> None:
    required = await app_with(world, {"variable": "v", "label": "v", "required": True, **of})
    optional = await app_with(world, {"variable": "v", "label": "v", "required": False, **of})

    assert await lines(world, required) == [f"  no command to try it with: {reason}"]
    assert "  curl -N " in (await lines(world, optional))[-1]


async def test_texts_of_any_kind_are_one_word_of_the_shell(world: World) -> None:
    options: dict[str, Any] = {"options": ['it\'s "quoted" $HOME `x` \\ 猫 🐈', "b"]}
    [line] = await lines(world, await app_with(world, variable("s", "select", **options)))

    assert body_of(line)["inputs"] == {"s": options["options"][0]}
