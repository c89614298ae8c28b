"""The server within other applications: FastAPI, Starlette and Django, as uvicorn serves them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from jikko import App, AsyncClient, Client, FlowRun, InvalidDocument, ServiceError
from jikko.cluster.data_folder_lock import sole_owner
from jikko.errors import FolderInUse, InvalidSettings
from tests.acceptance.workflows import ECHO, app, end, node
from tests.effort import PATIENCE

FILES = app(
    "Files",
    [
        node(
            "start",
            "start",
            variables=[
                {
                    "variable": "document",
                    "label": "document",
                    "type": "file",
                    "allowed_file_types": ["document"],
                    "allowed_file_upload_methods": ["local_file"],
                }
            ],
        ),
        end(same="start.document"),
    ],
    "start>end",
)


@contextmanager
def served(application: Any) -> Iterator[str]:
    """An application that uvicorn serves. Gives its address."""
    config = uvicorn.Config(application, port=0, log_level="critical", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    # The server closes it.
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def flows(tmp_path: Path) -> App:
    for name, text in (("響き", ECHO), ("files", FILES)):
        (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    return App(tmp_path / "響き.yml", tmp_path / "files.yml", home=tmp_path / "home")


@asynccontextmanager
async def _lifespan(flows: App) -> AsyncIterator[None]:
    async with flows:
        yield


def fast_api(flows: App) -> Any:
    from fastapi import FastAPI  # not in every process that collects these tests

    application = FastAPI(lifespan=lambda _: _lifespan(flows))

    @application.get("/key/{name}")
    async def key(name: str) -> str:
        return await flows.key(name)

    @application.get("/")
    async def own() -> str:
        return "own"

    application.mount("/flows", flows)
    return application


def starlette(flows: App) -> Any:
    async def key(request: Any) -> Any:
        return PlainTextResponse(f'"{await flows.key(request.path_params["name"])}"')

    async def own(request: Any) -> Any:
        return PlainTextResponse('"own"')

    return Starlette(
        routes=[Route("/key/{name}", key), Route("/", own), Mount("/flows", flows)],
        lifespan=lambda _: _lifespan(flows),
    )


def starlette_without_lifespan(flows: App) -> Any:
    """It starts with its first request."""
    found = starlette(flows)
    return Starlette(routes=found.routes)


def django_app(flows: App) -> Any:
    from tests.embedded import django_site  # nor is Django

    return django_site.django_app(flows)


def key_of(url: str, name: str) -> str:
    with Client(url) as client:
        return str(client.request("GET", f"/key/{name}"))


@pytest.mark.parametrize("mounted", [fast_api, starlette, starlette_without_lifespan, django_app])
def test_workflows_are_served_under_a_path_beside_the_pages_of_the_application(
    mounted: Callable[[App], Any], flows: App, tmp_path: Path
) -> None:
    with served(mounted(flows)) as url:
        with Client(url) as site:
            assert site.request("GET", "/") == "own"
        with Client(f"{url}/flows", key_of(url, "Echo")) as client:
            run = client.start({"q": "héllo 世界 🙂"})
            kinds = [event.kind for event in client.events(run.id)]
            assert client.result(run.id).outputs == {"q": "héllo 世界 🙂"}
            assert kinds[-1] == "run_finished"
            assert [event.kind for event in client.stream({"q": "a"})][-1] == "workflow_finished"
        with Client(f"{url}/flows", key_of(url, "Files")) as client:
            (tmp_path / "円.txt").write_text("円", encoding="utf-8")
            made: FlowRun = client.run({"document": client.upload(str(tmp_path / "円.txt"))})
            assert client.download(made.outputs["same"]) == "円".encode()


def test_its_runs_are_there_at_the_next_start(flows: App, tmp_path: Path) -> None:
    with served(fast_api(flows)) as url, Client(f"{url}/flows", key_of(url, "Echo")) as client:
        run = client.run({"q": "a"})

    again = App(home=tmp_path / "home")
    with served(fast_api(again)) as url, Client(f"{url}/flows", key_of(url, "Echo")) as client:
        assert client.result(run.id).outputs == {"q": "a"}


@pytest.mark.anyio
async def test_it_is_asked_without_a_socket(tmp_path: Path) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    async with App(tmp_path / "echo.yml", in_memory=True) as flows:
        client = AsyncClient(app=flows, key=await flows.key("Echo"))
        assert (await client.run({"q": "a"})).outputs == {"q": "a"}


@pytest.mark.anyio
async def test_requests_at_once_start_it_once(tmp_path: Path, flows: App) -> None:
    async with AsyncClient(app=flows) as client:
        answers = await asyncio.gather(*(client.request("GET", "/health") for _ in range(8)))
        assert [answer["status"] for answer in answers] == ["ok"] * 8
    await flows.close()


@pytest.mark.anyio
async def test_a_request_is_refused_while_another_process_has_the_data_folder(flows: App, tmp_path: Path) -> None:
    async with AsyncClient(app=flows) as client:
        with sole_owner(tmp_path / "home"):
            with pytest.raises(ServiceError, match="see the log") as refused:
                await client.request("GET", "/health")
            with pytest.raises(FolderInUse):
                await flows.__aenter__()
        assert (await client.request("GET", "/health"))["status"] == "ok"
    await flows.close()
    assert refused.value.status == 503


@pytest.mark.anyio
@pytest.mark.parametrize("text", [None, "not: [a workflow"])
async def test_a_file_that_cannot_be_published_is_told_at_the_start(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "bad.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    with pytest.raises(InvalidDocument if text else InvalidSettings, match=r"bad\.yml: (1 problem|cannot be read)"):
        await App(file, in_memory=True).__aenter__()
    await App(file, in_memory=True)({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "bad.yml" in sent[0]["message"]


def test_a_second_event_loop_is_refused(tmp_path: Path) -> None:
    flows = App(in_memory=True)

    async def health() -> Any:
        async with AsyncClient(app=flows) as client:
            return await client.request("GET", "/health")

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(health())["status"] == "ok"
        with pytest.raises(ServiceError) as refused:
            asyncio.run(health())
        loop.run_until_complete(flows.close())
    finally:
        loop.close()
    assert refused.value.status == 503
