"""The clients of the Python package, against servers."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jikko import AsyncClient, Client, FlowRun, RunUnsuccessful, ServiceError
from tests.acceptance.chat_server import CONVERSATION, RUN, ChatServer
from tests.acceptance.conftest import Scene
from tests.acceptance.echo import EchoServer
from tests.acceptance.line import Line

Opened = Callable[[str], Client]


@pytest.fixture
def opened(scene: Scene) -> Iterator[Opened]:
    """Clients of apps of the shared server, by their names."""
    clients: list[Client] = []

    def client(name: str) -> Client:
        key = scene.client(name).headers["Authorization"].removeprefix("Bearer ")
        clients.append(Client(scene.server.url, key, user="太郎 🐇"))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


@pytest.fixture
def dify() -> Iterator[ChatServer]:
    """A server of Dify's that knows nothing that only Jikko has."""
    server = ChatServer()
    yield server
    server.close()


def test_a_run_has_its_outputs(opened: Opened) -> None:
    run = opened("work").run({"q": "héllo 世界!"})

    assert run.checked() is run
    assert (run.status, run.outputs) == ("succeeded", {"said": "HÉLLO 世界! is loud"})
    assert run.steps == 5
    assert run.seconds > 0


def test_a_run_that_failed_says_why(opened: Opened) -> None:
    run = opened("broken").run({"q": "x"})

    assert (run.status, run.succeeded) == ("failed", False)
    with pytest.raises(RunUnsuccessful, match=f"run {run.id} failed: .*division by zero"):
        run.checked()


def test_a_run_is_read_later(opened: Opened) -> None:
    client = opened("work")
    run = client.run({"q": "a"})

    assert client.result(run.id).outputs == run.outputs


def test_the_same_key_starts_one_run(opened: Opened) -> None:
    client = opened("work")

    runs = [client.start({"q": "a"}, idempotency_key="注文 1") for _ in range(2)]

    assert runs[0].id == runs[1].id


def test_the_log_of_a_run_is_given_to_its_end(opened: Opened) -> None:
    client = opened("work")
    run = client.start({"q": "a"})

    events = list(client.events(run.id))

    assert [event.id for event in events] == list(range(len(events)))
    assert (events[0].kind, events[-1].kind) == ("run_started", "run_finished")
    assert list(client.events(run.id, after=len(events) - 1)) == []
    assert [event.id for event in client.events(run.id, after=3)] == list(range(4, len(events)))


def test_a_stream_that_is_cut_off_goes_on_behind_its_last_event(scene: Scene, echo: EchoServer) -> None:
    address = urlsplit(scene.server.url)
    line = Line(socket.AF_INET, (address.hostname, address.port))
    key = scene.client("held").headers["Authorization"].removeprefix("Bearer ")
    try:
        with Client(f"http://127.0.0.1:{line.port}", key) as client:
            run = client.start({"name": "cut-stream"})
            events = client.events(run.id)
            seen = [next(events)]
            echo.wait_for_calls("/hold/cut-stream")
            line.cut()
            echo.release("/hold/cut-stream")
            threading.Timer(0.3, line.mend).start()
            seen += events
    finally:
        line.close()

    assert [event.id for event in seen] == list(range(len(seen)))
    assert seen[-1].data["status"] == "succeeded"


def test_a_start_waits_for_a_server_that_is_away(scene: Scene) -> None:
    address = urlsplit(scene.server.url)
    line = Line(socket.AF_INET, (address.hostname, address.port))
    line.cut()
    key = scene.client("work").headers["Authorization"].removeprefix("Bearer ")
    try:
        with Client(f"http://127.0.0.1:{line.port}", key) as client:
            threading.Timer(0.3, line.mend).start()
            assert client.start({"q": "a"}).status in ("running", "succeeded")
    finally:
        line.close()


def test_a_stream_that_is_left_hangs_up(opened: Opened, echo: EchoServer) -> None:
    client = opened("held")
    run = client.start({"name": "left-stream"})
    events = client.events(run.id)
    next(events)
    events.close()  # type: ignore[attr-defined]

    echo.release("/hold/left-stream")
    assert [event.kind for event in client.events(run.id)][-1] == "run_finished"


def test_streaming_gives_the_events_of_dify(opened: Opened) -> None:
    kinds = [event.kind for event in opened("work").stream({"q": "a"})]

    assert (kinds[0], kinds[-1]) == ("workflow_started", "workflow_finished")


def test_a_file_comes_back_as_it_went(opened: Opened, tmp_path: Path) -> None:
    client = opened("file")
    file = tmp_path / '報告 "1".txt'
    file.write_bytes("text 🙂".encode())

    stored = client.upload(file)
    run = client.run({"document": stored})

    assert stored["type"] == "document"
    assert run.outputs["same"]["filename"] == "報告 %221%22.txt"
    assert client.download(run.outputs["same"]) == "text 🙂".encode()


def test_a_file_of_no_conversation_has_no_content_by_its_id(opened: Opened) -> None:
    client = opened("work")
    stored = client.upload(b"abc", name="a.txt")

    with pytest.raises(ServiceError, match="File not found") as refused:
        client.download(stored["upload_file_id"])

    assert refused.value.status == 404


def test_a_chat_goes_on(opened: Opened) -> None:
    client = opened("chat")
    first = client.chat("おはよう", inputs={"q": "a"})
    second = client.chat("again", conversation_id=first.conversation_id, inputs={"q": "a"})

    assert (second.answer, second.conversation_id) == ("hello", first.conversation_id)
    assert [message["query"] for message in client.messages(first.conversation_id)] == ["おはよう", "again"]
    assert first.conversation_id in [each["id"] for each in client.conversations()]


def test_other_operations_are_asked_by_their_paths(opened: Opened) -> None:
    client = opened("work")
    run = client.run({"q": "a"})

    found = client.request("GET", f"/v1/workflows/run/{run.id}/node-executions")

    assert "shout" in [each["node_id"] for each in found["data"]]
    assert client.info()["mode"] == "workflow"
    assert "user_input_form" in client.parameters()


def test_a_form_is_submitted_with_the_client(opened: Opened) -> None:
    client = opened("asks")
    events = client.stream({"q": "a"})
    asked = next(event for event in events if event.kind == "human_input_required")
    data = asked.data["data"]

    client.submit_form(data["form_token"], {"comment": "gut 👍"}, data["actions"][0]["id"])

    end = list(client.events(asked.data["workflow_run_id"]))[-1]
    assert end.data["status"] == "succeeded"


def test_a_wrong_key_is_refused_with_the_words_of_the_server(scene: Scene) -> None:
    with Client(scene.server.url + "/v1/", "app-wrong") as client, pytest.raises(ServiceError) as refused:
        client.run({})

    assert (refused.value.status, refused.value.code) == (401, "unauthorized")


@pytest.mark.parametrize("use", [Client.info, lambda client: client.run({}), lambda client: next(client.stream({}))])
def test_no_server_is_told_with_its_address(use: Callable[[Client], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with Client(url, "app-x") as client, pytest.raises(ServiceError, match=f"^{url}: the server does not") as failed:
        use(client)

    assert (failed.value.status, failed.value.code, failed.value.is_passing) == (0, "no_server", True)


def test_a_server_of_something_else_is_told_at_once() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write("<h1>ようこそ</h1>".encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.server_port}", "app-x") as client:
            with pytest.raises(ServiceError, match="is this the address of a Jikko or Dify") as failed:
                client.start({})
            assert (failed.value.code, failed.value.is_passing) == ("not_service", False)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_answer_that_takes_too_long_is_not_waited_for(scene: Scene, echo: EchoServer) -> None:
    key = scene.client("held").headers["Authorization"].removeprefix("Bearer ")
    with Client(scene.server.url, key, timeout=0.2) as client, pytest.raises(ServiceError, match=r"within 0\.2 s"):
        client.run({"name": "too-long"})
    echo.release("/hold/too-long")


@pytest.mark.anyio
async def test_the_client_for_async_programs_does_the_same(scene: Scene) -> None:
    key = scene.client("work").headers["Authorization"].removeprefix("Bearer ")
    async with AsyncClient(scene.server.url, key) as client:
        run = await client.start({"q": "a"})
        kinds = [event.kind async for event in client.events(run.id)]
        assert kinds[-1] == "run_finished"
        assert isinstance(await client.result(run.id), FlowRun)


def test_dify_is_asked_the_same_way(dify: ChatServer) -> None:
    dify.forms.append({"action": "yes"})
    with Client(dify.url, "app-right") as client:
        said = "".join(event.data["answer"] for event in client.chat_stream("a b") if event.kind == "message")
        files = [client.upload(b"...", name="a.png")]
        list(client.chat_stream("look", conversation_id=CONVERSATION, files=files))
        assert [event.kind for event in client.rejoin(RUN)][-1] == "workflow_finished"

    assert said == "a b "
    assert dify.asked[-1]["files"] == files
    assert dify.asked[-1]["conversation_id"] == CONVERSATION


def test_what_only_jikko_has_says_so_at_dify(dify: ChatServer) -> None:
    dify.forms.append({"action": "yes"})
    dify.asked.append({"query": "a"})
    with Client(dify.url, "app-right") as client, pytest.raises(ServiceError, match="of Jikko only") as refused:
        list(client.events(RUN))

    assert refused.value.code == "not_jikko"


@pytest.mark.parametrize("given", [{}, {"url": "http://x", "app": object()}])
def test_a_client_has_one_place_to_ask(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either url"):
        Client(**given)  # type: ignore[arg-type]
