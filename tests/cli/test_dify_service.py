"""Files of a Dify: from its own address, and from others, which end users may have written."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from jikko.cli.dify_service import TIMEOUT, DifyService
from jikko.cli.main import cli
from jikko.exit_codes import ExitCode
from jikko.ports.http import HttpFailure, HttpResponse
from tests.acceptance.dify_chats import PICTURE, DifyChats
from tests.nodes.context import ScriptedHttp

pytestmark = pytest.mark.anyio
ELSEWHERE = b"elsewhere \xf0\x9f\x8c\xb8"


@pytest.fixture
def there() -> Iterator[DifyChats]:
    with DifyChats() as server:
        yield server


@pytest.fixture
def http() -> ScriptedHttp:
    return ScriptedHttp(HttpResponse(200, (), ELSEWHERE))


@pytest.fixture
async def service(there: DifyChats, http: ScriptedHttp) -> AsyncIterator[DifyService]:
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        yield DifyService(session, http, there.url, there.key, takes="a key", wait=0.0)


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        ("https://dify.example", "\n", "Error: --key: the key is empty."),
        (
            "dify.example",
            "dataset-鍵\n",
            "Error: --url: 'dify.example' is not the address of a server, such as https://",
        ),
    ],
)
def test_an_empty_key_and_an_address_without_a_scheme_are_told(tmp_path: Path, url: str, key: str, told: str) -> None:
    command = ["knowledge", "import", "--url", url, "--key", "-", "--home", str(tmp_path)]

    ended = CliRunner().invoke(cli, command, input=key)

    assert ended.exit_code == ExitCode.USAGE
    assert told in ended.output


async def test_a_file_of_its_own_is_had_from_there(service: DifyService, there: DifyChats, http: ScriptedHttp) -> None:
    assert [await service.file(url) for url in (f"{there.url}/files/x", "/files/x")] == [PICTURE, PICTURE]
    assert http.requests == []


@pytest.mark.parametrize("host", ["http://files.example", "{own}.example", "{own}@files.example", "{own}0"])
async def test_a_file_of_another_address_is_had_by_the_client_of_apps(
    service: DifyService, there: DifyChats, http: ScriptedHttp, host: str
) -> None:
    url = f"{host.format(own=there.url)}/a.png?x=1"

    assert await service.file(url) == ELSEWHERE

    assert [(request.method, request.url, request.headers) for request in http.requests] == [("GET", url, ())]
    assert there.asked == []


async def test_a_redirect_is_left_to_the_client_of_apps(
    service: DifyService, there: DifyChats, http: ScriptedHttp
) -> None:
    there.fault = lambda path: (302, {"Location": "/files/y"}, b"")

    assert await service.file(f"{there.url}/files/x") == ELSEWHERE
    assert [path for _, path in there.asked] == ["/files/x"]


@pytest.mark.parametrize("url", ["http://[bad/x", "//[bad/x", "http://files.example/x", "no address", ""])
async def test_what_cannot_be_had_is_none(service: DifyService, http: ScriptedHttp, url: str) -> None:
    http.answer = HttpFailure("no", kind="url")
    assert await service.file(url) is None
    http.answer = HttpResponse(404, (), b"not here")
    assert await service.file(url) is None


async def test_each_answer_has_an_end_however_slowly_it_comes(service: DifyService, http: ScriptedHttp) -> None:
    await service.file("http://files.example/x")

    assert TIMEOUT.total == http.requests[0].timeouts.total == 1200
