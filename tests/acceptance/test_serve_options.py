"""Options of ``jikko serve`` on the command line, with the installed command."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, start
from tests.providers.fake_model import FakeModel, streamed

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
ASKS_A_MODEL = app(
    "Model",
    [
        start("q"),
        node("think", "llm", model=MODEL, prompt_template=[{"role": "user", "text": "Say {{#start.q#}}"}]),
        end(answer="think.text"),
    ],
    "start>think think>end",
)
HAS_A_TOOL = app(
    "Tool", [start("q"), node("翻訳", "tool", tool_name="t"), end(answer="翻訳.text")], "start>翻訳 翻訳>end"
)
RETURNS_A_FILE = app(
    "File",
    [
        node(
            "start",
            "start",
            variables=[
                {
                    "variable": "paper",
                    "label": "paper",
                    "type": "file",
                    "required": True,
                    "allowed_file_types": ["document"],
                    "allowed_file_upload_methods": ["local_file"],
                }
            ],
        ),
        end(paper="start.paper"),
    ],
    "start>end",
)


@contextmanager
def serving(jikko: Command, text: str, *options: str, **settings: str) -> Iterator[tuple[Server, Client]]:
    """A server of one file, and its client."""
    file = jikko.home.parent / "flow.yml"
    file.write_text(text, encoding="utf-8")
    [imported] = jikko.json("apps", "import", file)
    server = Server(jikko.home, options=options, settings=settings, installed=True)
    client = Client(server.url, imported["api_key"])
    try:
        yield server, client
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize("options", [["--fake-models"], ["--fake-models", "--workers", "2"], []])
def test_models_are_faked_and_the_server_says_so(jikko: Command, options: list[str]) -> None:
    settings = {} if options else {"JIKKO_FAKE_MODELS": "yes"}
    with serving(jikko, ASKS_A_MODEL, *options, **settings) as (server, client):
        run = client.run(q="日本")["data"]
        assert (run["status"], run["outputs"]) == ("succeeded", {"answer": "[fake answer of openai/gpt-4o] Say 日本"})
        assert "Models are faked: every answer is made up, and no provider is called." in server.output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_mocked_node_does_not_run(jikko: Command, workers: str) -> None:
    with serving(jikko, HAS_A_TOOL, "--mock", '翻訳={"text": "訳文 🗾"}', "--workers", workers) as (server, client):
        run = client.run(q="x")["data"]
        assert (run["status"], run["outputs"]) == ("succeeded", {"answer": "訳文 🗾"})
        assert "Nodes are mocked: those named by --mock or JIKKO_MOCKS do not run." in server.output
        assert "no node has the id or title" not in server.output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_mock_of_no_node_is_warned_of(jikko: Command, workers: str) -> None:
    mocks = json.dumps({"翻訳": {"text": "x"}, "thinking": {"text": "x"}, "翻訳者": {"text": "x"}})
    with serving(jikko, HAS_A_TOOL, "--workers", workers, JIKKO_MOCKS=mocks) as (server, client):
        assert "warning: --mock, JIKKO_MOCKS: no node has the id or title 'thinking'\n" in server.output
        assert "no node has the id or title '翻訳者' (did you mean '翻訳'?)\n" in server.output
        assert server.output.count("no node has the id or title") == 2
        assert client.run(q="x")["data"]["status"] == "succeeded"


@pytest.mark.parametrize("mock", ["翻訳", '翻訳=["x"]', "翻訳={", "翻訳=@/no/such/file"])
def test_a_mock_that_is_none_ends_the_command(jikko: Command, mock: str) -> None:
    outcome = jikko("serve", "--mock", mock, "--port", "0")
    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert "--mock" in outcome.err


@pytest.mark.anyio
async def test_the_providers_file_is_the_one_that_is_named(jikko: Command, tmp_path: Path) -> None:
    async with FakeModel(streamed("こん", "にちは")) as fake:
        file = tmp_path / "名.yml"
        file.write_text(json.dumps({"providers": {"openai": {"base_url": fake.url, "api_key": "x"}}}))

        def asked() -> str:
            with serving(jikko, ASKS_A_MODEL, "--providers", str(file), JIKKO_PROVIDERS="/none") as (_, client):
                answer: str = client.run(q="x")["data"]["outputs"]["answer"]
                return answer

        assert await asyncio.to_thread(asked) == "こんにちは"
        assert fake.bodies[0]["messages"][-1]["content"] == "Say x"


def test_a_providers_file_that_is_not_there_ends_the_command(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("serve", "--providers", tmp_path / "none.yml", "--port", "0")
    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert f"The providers file {tmp_path / 'none.yml'} cannot be read" in outcome.err


def test_links_lead_to_the_public_address(jikko: Command) -> None:
    with serving(jikko, RETURNS_A_FILE, "--public-url", "https://flows.example/jikko/") as (server, client):
        sent = {"file": ("見本.txt", b"hello", "text/plain")}
        upload = client.request("POST", "/v1/files/upload", files=sent, data={"user": client.user}).json()
        paper = {"type": "document", "transfer_method": "local_file", "upload_file_id": upload["id"]}
        run = client.run(paper=paper)["data"]
        url = run["outputs"]["paper"]["url"]
        assert url.startswith("https://flows.example/jikko/files/")
        # What stands before it is the proxy's; the rest leads to the file.
        assert client.request("GET", url.removeprefix("https://flows.example/jikko")).content == b"hello"
        assert server.url not in json.dumps(run)


def test_the_names_of_apps_and_files_do_not_steer_the_terminal_of_the_server(jikko: Command) -> None:
    text = app("a\x1b]0;x\x07b", [start("q"), end(q="start.q")], "start>end")
    file = jikko.home.parent / "flow.yml"
    file.write_text(text, encoding="utf-8")

    server = Server(jikko.home, file, installed=True)
    server.stop()

    assert "a ]0;x b: version 1" in server.output
    assert not any(character in server.output for character in "\x1b\x07")


NO_WORKFLOW, MISSING, TWICE, WELL = "no.yml", "missing.yml", "twice.yml", "well.yml"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with what may be wrong of them, in the folder in which the command is called."""
    monkeypatch.chdir(tmp_path)
    Path(NO_WORKFLOW).write_text("日本", encoding="utf-8")
    for name in (TWICE, WELL):
        Path(name).write_text(app("One 🌸", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("names", "code"),
    [([NO_WORKFLOW], 8), ([MISSING], 2), ([WELL, TWICE], 2), ([WELL, NO_WORKFLOW], 8)],
)
def test_the_exit_code_says_why_it_does_not_serve_however_many_processes_it_has(
    jikko: Command, names: list[str], code: int, workers: str
) -> None:
    outcome = jikko("serve", *names, "--port", "0", "--workers", workers)

    assert (outcome.code, outcome.has_traceback) == (code, False), outcome
    assert outcome.err.count("Error:") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_data_folder_that_is_in_use_has_an_exit_code_of_its_own(jikko: Command, workers: str) -> None:
    server = Server(jikko.home, installed=True)
    try:
        outcome = jikko("serve", "--port", "0", "--workers", workers)
    finally:
        server.close()

    assert (outcome.code, outcome.has_traceback) == (9, False), outcome
    assert f"process {server.pid}, {server.url}" in outcome.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("names", "code"),
    [([NO_WORKFLOW], 8), ([MISSING], 2), ([MISSING, NO_WORKFLOW], 1), ([NO_WORKFLOW, WELL], 1), ([WELL], 0)],
)
def test_the_exit_code_of_an_import_says_what_is_wrong_with_the_files(
    jikko: Command, names: list[str], code: int
) -> None:
    outcome = jikko("apps", "import", *names)

    assert (outcome.code, outcome.has_traceback) == (code, False), outcome
