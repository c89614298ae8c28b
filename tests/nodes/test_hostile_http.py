"""HTTP Request node under attack: slow bodies and responses, and errors that leak."""

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.http.http_request import HttpRequest
from jikko.ports.http import HttpResponse
from jikko.values import Json
from tests.nodes.context import FakeContext, ScriptedHttp, fields

pytestmark = pytest.mark.anyio


async def result(*headers: tuple[str, str], **data: Json) -> Result:
    """What the node makes of an answer with such headers and the body ``abc``."""
    node = HttpRequest.from_dsl(fields({"method": "post", "url": "http://api.test/x", **data}))
    return await node.run(FakeContext(http=ScriptedHttp(HttpResponse(200, headers, b"abc"))))


async def failure_of(**data: Json) -> NodeFailure:
    with pytest.raises(NodeFailure) as caught:
        await result(**data)
    return caught.value


async def test_user_and_password_are_not_told_with_what_is_wrong_with_a_url() -> None:
    failure = await failure_of(url="http://user:hunter2@exa℀mple.com/")

    assert str(failure) == "The URL cannot be used: its host is malformed."


async def test_long_json_that_is_broken_is_refused() -> None:
    # To repair this one takes a minute.
    failure = await failure_of(body={"type": "json", "data": [{"type": "text", "value": '["a" b" ' * 8000}]})

    assert failure.kind == "RequestBodyError"
    assert str(failure) == "The body is not JSON, and too long to be repaired: it has more than 4096 characters."


async def test_json_of_very_many_elements_is_refused() -> None:
    value = f'{{"値": [{"0," * 200_000}0]}}'

    failure = await failure_of(body={"type": "json", "data": [{"type": "text", "value": value}]})

    assert failure.kind == "RequestBodyError"
    assert str(failure) == "The body has more than 200000 elements of arrays and objects."


# With time that goes with the square of the length, each of these two would take minutes.
async def test_a_long_content_disposition_counts_as_none() -> None:
    found = await result(("Content-Type", "text/plain"), ("Content-Disposition", "attachment" + ";" * 1_000_000))

    assert found.outputs["body"] == "abc"


async def test_thousands_of_headers_are_looked_at_once() -> None:
    found = await result(*((f"X-{number}", "v") for number in range(100_000)))

    assert len(found.outputs["headers"]) == 100_000
