"""Files, as clients see them."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.inputs.uploads import FileLimits
from jikko.repositories.app_store import App
from tests.contract.conversations import conversation, message
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio


async def test_files_of_workflows_have_no_preview(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/files/{new_id()}/preview", params={"as_attachment": "true"})
    without_key = await client.get(f"/v1/files/{new_id()}/preview", headers={"Authorization": ""})

    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")
    assert answer.json()["message"] == "File not found in message context"
    assert without_key.status_code == 401


def form(user: str = "anna", content: bytes = b"hello") -> bytes:
    """A form with a user and a file, parted by ``b``."""
    return (
        f'--b\r\nContent-Disposition: form-data; name="user"\r\n\r\n{user}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    ).encode() + content + b"\r\n--b--\r\n"  # fmt: skip


async def upload(
    client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], charset: str = "utf-8"
) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    return await client.post("/v1/files/upload", content=body, headers=headers)


async def test_a_form_in_an_encoding_that_decodes_nothing_is_refused(client: httpx.AsyncClient) -> None:
    answer = await upload(client, form(), "undefined")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_of_several_users_of_a_form_the_first_counts_as_of_several_files(client: httpx.AsyncClient) -> None:
    second = form("ben", b"other").partition(b"--b\r\n")[2]
    uploaded = (await upload(client, form("anna")[: -len(b"--b--\r\n")] + b"--b\r\n" + second)).json()
    user = (await client.get(f"/v1/end-users/{uploaded['created_by']}")).json()

    assert (user["session_id"], uploaded["size"]) == ("anna", 5)


async def test_half_a_character_in_the_user_of_a_form_is_replaced(client: httpx.AsyncClient) -> None:
    uploaded = (await upload(client, form("x+2AA-"), "utf-7")).json()
    user = (await client.get(f"/v1/end-users/{uploaded['created_by']}")).json()

    assert user["session_id"] == "x?"


@pytest.mark.parametrize("rest", [b"llo\r\n--b--\r\n", b"\r\n--b--\r\n", b"b--\r\n", b"--\r\n"])
async def test_a_form_that_is_cut_off_is_told_from_one_without_a_file(client: httpx.AsyncClient, rest: bytes) -> None:
    answer = await upload(client, form("花子 🎉").removesuffix(rest))

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["message"] == "The form is malformed. It is cut off: its last boundary is missing."


@pytest.mark.parametrize("empty", [b"", b"--b--\r\n"])
async def test_a_form_without_a_part_has_no_file(client: httpx.AsyncClient, empty: bytes) -> None:
    answer = await upload(client, empty)

    assert (answer.status_code, answer.json()["code"]) == (400, "no_file_uploaded")


FIELD = b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n'
SPOILT: dict[str, tuple[bytes, str]] = {
    "20,000 fields": (b"".join(FIELD % number for number in range(20_000)) + form(), "Too many fields"),
    "50,000 headers of a part": (
        form().replace(b"text/plain", b"text/plain\r\nX: y" + b"\r\nX: y" * 50_000),
        "header count",
    ),
    "a name of 300,000 characters": (form().replace(b'name="file"', b'name="' + b"n" * 300_000 + b'"'), "header size"),
    "a user of 5 MB": (form("u" * 5_000_000), "size of 8KB"),
    "a part without a name": (b"--b\r\n\r\nx\r\n" + form(), '"name"'),
    "another boundary": (form().replace(b"--b", b"--c"), "boundary"),
    "bytes that are no form": (bytes(range(256)) * 100, "boundary"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_a_form_of_another_kind_is_refused_and_keeps_nothing(
    world: World, client: httpx.AsyncClient, spoilt: str
) -> None:
    body, reason = SPOILT[spoilt]
    answer = await upload(client, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert reason in answer.json()["message"]
    assert (await world.file_index.totals()).files == 0


@pytest.mark.parametrize("piece", [b"--b-", b"\r\n--", b"\r\n--b", b"\r", b"--b--"])
async def test_a_file_of_what_nearly_ends_it_is_kept_whole(client: httpx.AsyncClient, piece: bytes) -> None:
    # What ends a part is its boundary at the beginning of a line, and nothing else.
    content = b"x" + piece * 1000 if piece != b"\r\n--b" else b"x" + (piece + b"-") * 1000
    answer = await upload(client, form(content=content))

    assert (answer.status_code, answer.json()["size"]) == (201, len(content))
    assert (await client.get(answer.json()["source_url"])).content == content


async def test_a_form_that_does_not_say_how_long_it_is_is_read_no_further_than_a_file_may_be_long(
    world: World, app: App
) -> None:
    limits = FileLimits(max_image=0, max_video=0, max_audio=0, max_other=10)
    pieces = 0

    async def without_end() -> AsyncIterator[bytes]:
        nonlocal pieces
        yield form().partition(b"hello")[0]
        for pieces in range(100):  # noqa: B007  # counted
            yield bytes(1 << 20)

    async with client_of(world, app, file_limits=limits) as client:
        answer = await upload(client, without_end())

    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert pieces < 3


async def test_a_file_is_shown_once_it_is_in_a_conversation_of_the_app(world: World) -> None:
    app, other = await world.chain("One"), await world.chain("Two")
    async with client_of(world, app) as client, client_of(world, other) as stranger:
        uploaded = await client.post("/v1/files/upload", files={"file": ("a.txt", "内容".encode(), "text/plain")})
        file_id = uploaded.json()["id"]
        path = f"/v1/files/{file_id.upper()}/preview"
        before = await client.get(path)
        turn = message("m", "c", app=app.id, files=[{"related_id": file_id}])
        await world.conversations.add_turn(turn, replace(conversation("c"), app_id=app.id))

        shown = await client.get(path)
        saved = await client.get(path, params={"as_attachment": "true"})
        refused = await stranger.get(path)

    assert (before.status_code, before.json()["code"]) == (404, "file_not_found")
    assert (shown.status_code, shown.content.decode()) == (200, "内容")
    assert shown.headers["content-type"].startswith("text/plain")
    assert saved.headers["content-disposition"].startswith("attachment")
    assert (refused.status_code, refused.json()["code"]) == (403, "file_access_denied")


async def test_what_a_form_keeps_in_memory_is_bounded(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(*, max_size: int) -> Any:
        made.append(max_size)
        return SpooledTemporaryFile(max_size=max_size)

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", counted)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    many = await upload(client, (head + b"x\r\n") * 10 + b"--b--\r\n")
    long_field = await upload(client, form("x" * 9000))
    fields = 100 * 8192

    assert (many.status_code, len(made)) == (201, 10)
    assert 0 < sum(made) + fields <= 2 << 20
    assert (long_field.status_code, long_field.json()["code"]) == (400, "bad_request")
