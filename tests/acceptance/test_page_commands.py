"""Commands and programs of the docs for terminal users. Those of clients: test_pages.py."""

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.chat_server import ChatServer
from tests.acceptance.client import Client
from tests.acceptance.conftest import apps_of
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.otlp import Collector
from tests.acceptance.page_shell import Shell
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, end, fetch, form, if_contains, node, python, start, template
from tests.knowledge.embedding_server import EmbeddingServer
from tests.page_blocks import ROOT, Block, Blocks, fits, looks_like, replaced

pytestmark = pytest.mark.once

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
WORKSPACE = uuid.UUID("6f1d6b0e-0000-4000-8000-000000000001")
ADDRESS = "http://127.0.0.1:8000"
"""Of the server, on the pages."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def flow(echo: EchoServer) -> str:
    """A workflow as docs/cli.md runs one: a question and pieces, a search, a request, a model."""
    pieces = {"variable": "pieces", "label": "pieces", "type": "number", "required": False}
    first = start("question", required=True)
    first["data"]["variables"].append(pieces)
    nodes = [
        first,
        python("Search", "def main():\n    return {'result': 'searched'}\n", {"result": "string"}),
        fetch("Fetch", f"{echo.url}/page"),
        node(
            "Ask",
            "llm",
            model=MODEL,
            prompt_template=[{"role": "user", "text": "{{#start.question#}} {{#Search.result#}}"}],
            context={"enabled": False},
            error_strategy="default-value",
            default_value=[{"key": "text", "type": "string", "value": "no model"}],
        ),
        end(found="Search.result", page="Fetch.body", answer="Ask.text"),
    ]
    return app("Flow", nodes, "start>Search>Fetch>Ask>end")


def typed(block: Block, pairs: dict[str, str]) -> Block:
    """A block with the addresses and ids of this machine."""
    return replace(block, text=replaced(block.text, pairs))


def test_what_check_and_show_print_is_what_their_page_shows(shell: Shell) -> None:
    page = Blocks("docs/check.md")
    shutil.copy(ROOT / "tests" / "forecast" / "samples" / "json-translate.yml", shell.folder)
    (shell.folder / "examples").symlink_to(ROOT / "examples")
    (shell.folder / "workflows").mkdir()
    (shell.folder / "workflows" / "echo.yml").write_text(ECHO, encoding="utf-8")

    [(command, shown)] = page.take("$ jikko check json").commands()
    [said] = shell.says([command], codes=[1])
    assert fits(said, shown), said
    assert '"message": "text"' in shell.runs(page.take("$ jikko show examples"))[0]
    [step] = yaml.safe_load(page.take("- run: ").text)
    [annotations] = shell.says([step["run"]])
    assert annotations == "workflows/echo.yml: runs: jikko run workflows/echo.yml\n"
    page.end()


def test_the_command_line_does_what_its_page_says(shell: Shell, echo: EchoServer) -> None:
    page = Blocks("docs/cli.md")
    (shell.folder / "flow.yml").write_text(flow(echo), encoding="utf-8")
    (shell.folder / "inputs.json").write_text('{"question": "Why?"}', encoding="utf-8")
    (shell.folder / "fetched.json").write_text('{"body": "as given", "status_code": 200}', encoding="utf-8")

    for said in shell.runs(page.take('jikko run flow.yml -i question="Why?" -i pieces=3')):
        assert '"answer": "no model"' in said
    faked, mocked, served = shell.runs(page.take('jikko run flow.yml -i question="Why?" --fake'))
    assert "[fake answer of openai/gpt-4o]" in json_of(faked)["answer"]
    assert (json_of(mocked)["found"], json_of(mocked)["page"]) == ("…", "as given")
    assert " serves http" in served

    completion = page.take('eval "$(_JIKKO_COMPLETE=bash')
    bash, zsh, fish = (command.partition("#")[0].strip() for command, _ in completion.commands())
    [known] = shell.says([f"{bash}; complete -p jikko"])
    assert known.startswith("complete ")
    # What the other two shells would read, which need not be here.
    others = [zsh.removeprefix('eval "$(').removesuffix(')"'), fish.partition(" | ")[0]]
    for name, script in zip(("compdef", "complete "), shell.says(others), strict=True):
        assert name in script

    (shell.folder / "workflows").mkdir()
    (shell.folder / "workflows" / "echo.yml").write_text(ECHO, encoding="utf-8")
    tried, imported = shell.runs(page.take("jikko apps sync workflows --dry-run"))
    assert "new" in tried
    assert '"outcome": "new"' in imported

    chats(page.take("jikko chat talk.yml"), shell, echo)
    list_of_runs(page.take("$ jikko runs list"), shell.folder / "served", echo)
    repeats(page.take("jikko runs retry"), shell)
    forms(page.take("$ jikko runs forms"), shell)
    page.end()


def json_of(said: str) -> Any:
    """The outputs of a run behind what was said of it."""
    return json.loads(said[said.index("\n{\n") :])


def chats(block: Block, shell: Shell, echo: EchoServer) -> None:
    (shell.folder / "talk.yml").write_text(apps_of(echo)["chat"], encoding="utf-8")
    shell.says(["jikko apps import talk.yml --name Support"])
    elsewhere = ChatServer()
    try:
        *_, asked = shell.runs(typed(block, {"https://dify.example": elsewhere.url, "app-…": "app-right"}))
    finally:
        elsewhere.close()
    assert asked.splitlines() == ["hello", "hello"]


def list_of_runs(block: Block, folder: Path, echo: EchoServer) -> None:
    command = Command(folder / "home")
    folder.mkdir()
    file = folder / "support.yml"
    draft = fetch("draft", f"{echo.url}/hold/draft")
    draft["data"]["title"] = "Draft answer"
    file.write_text(app("Support", [start("q"), draft, end(said="draft.body")], "start>draft>end"))
    [entry] = command.json("apps", "import", file)
    server = Server(command.home)
    client = Client(server.url, entry["api_key"])
    try:
        run = client.run("async", q="x")["workflow_run_id"]
        echo.wait_for_calls("/hold/draft")
        until(lambda: client.node_executions(run)[-1]["node_id"] == "draft", "it is at the node, durably")
        (_, shown), _ = block.commands()
        listed, detail = Shell(folder).runs(typed(block, {"01a217f8-9c3e": run[:13]}))
        assert looks_like(listed, shown.replace("01a217f8-9c3e", run[:13]).replace(" s ago", " … ago")), listed
        assert "Draft answer" in detail
    finally:
        echo.release("/hold/draft")
        client.close()
        server.stop()


def repeats(block: Block, shell: Shell) -> None:
    nodes = [
        start(),
        template("look", "the red lamp"),
        template("judge", "{{ seen }}", seen="look.output"),
        template("ask", "no"),
        if_contains("path", "judge.output", "blue"),
        template("yes", "bought"),
        end(said="yes.output", judged="judge.output"),
    ]
    nodes[3]["data"]["title"] = "Ask the model"
    edges = "start>look look>judge judge>ask ask>path path:true>yes path:false>end yes>end"
    (shell.folder / "lamps.yml").write_text(app("Lamps", nodes, edges))
    (shell.folder / "path.json").write_text('{"selected_case_id": "true"}')
    shell.says(["jikko run lamps.yml --keep"])
    run = json.loads(shell.says(["jikko runs list --json"])[0].splitlines()[0])["workflow_run_id"]
    ends = [said.split()[-2:] for said in shell.runs(typed(block, {"01a217f8-9c3e": run[:13]}))]
    assert [status for _, status in ends] == ["succeeded", "succeeded"]
    blue, bought = shell.says([f"jikko runs show {again}" for again, _ in ends])
    assert "the blue lamp" in blue
    assert "bought" in bought
    assert "the red lamp" in bought


def forms(block: Block, shell: Shell) -> None:
    asks = form("ask", "Say something: {{#$output.comment#}}")
    asks["data"]["user_actions"] = [{"id": "approve", "title": "Approve"}, {"id": "reject", "title": "Reject"}]
    text = app("Asks", [start(), asks, end(said="ask.comment")], "start>ask ask:approve>end ask:reject>end")
    (shell.folder / "asks.yml").write_text(text)
    [said] = shell.says(["jikko run asks.yml --keep"], codes=(5,))
    run = json.loads(shell.says(["jikko runs list --status paused --json"])[0])["workflow_run_id"]
    assert f"jikko runs submit {run}" in said
    listed, submitted = shell.runs(typed(block, {"01a217f8-9c3e": run[:13]}))
    assert "--action approve" in listed
    assert submitted.endswith(f"{run}  succeeded\n")


def test_a_wrong_input_is_told_to_programs_as_the_page_of_exit_codes_shows_it(shell: Shell) -> None:
    page = Blocks("docs/exit-codes.md")
    pieces = {"variable": "pieces", "label": "pieces", "type": "number", "required": True}
    nodes = [node("start", "start", variables=[pieces]), end(pieces="start.pieces")]
    (shell.folder / "flow.yml").write_text(app("Flow", nodes, "start>end"))
    [(command, shown)] = page.take("$ jikko run").commands()
    assert shell.says([command], codes=(3,)) == [shown]
    page.end()


@pytest.fixture
def served(tmp_path: Path, jikko: Command, echo: EchoServer) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server, and the keys of its apps by their names."""
    asks = node("ask", "llm", model=MODEL, prompt_template=[{"role": "user", "text": "?"}], context={"enabled": False})
    files = {**apps_of(echo), "asks": app("Asks", [start("q"), asks, end(said="ask.text")], "start>ask>end")}
    keys = jikko.imported(tmp_path, {name: files[name] for name in ("echo", "chat", "asks")})
    server = Server(jikko.home)
    yield server, keys
    server.close()


def test_what_a_server_is_asked_and_says_is_as_its_pages_show_it(
    served: tuple[Server, dict[str, str]], shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    server, keys = served

    page = Blocks("docs/chat.md", "python")
    program = replaced(page.take("import httpx\n").text, {ADDRESS: server.url})
    exec(program, {"key": keys["chat"]})
    assert capsys.readouterr().out == "hello\n"
    page.end()

    page = Blocks("docs/api-management.md", "sh")
    asked = typed(page.take("curl -H"), {ADDRESS: server.url})
    shell.says(["jikko console tokens new page --scope apps:write --scope runs:read --to token.txt"])
    shell.environment["TOKEN"] = (shell.folder / "token.txt").read_text().strip()
    [runs] = shell.runs(asked)
    assert json.loads(runs)["data"] == []
    (shell.folder / "echo.yml").write_text(ECHO, encoding="utf-8")
    [tried] = shell.runs(typed(page.take("curl -X PUT"), {ADDRESS: server.url}))
    assert json.loads(tried)["name"] == "Echo"
    page.end()

    page = Blocks("docs/logging.md")
    shown = page.take("INFO jikko.runs: ").text.splitlines()
    for name in ("echo", "asks"):
        client = Client(server.url, keys[name])
        client.run(q="x")
        client.request("GET", "/v1/workflows/run/00000000-0000-4000-8000-000000000000")
        client.close()
    until(lambda: server.output.count("run ended") == 4, "each run has its line")
    said = server.output.splitlines()
    assert [line for line in shown if not any(looks_like(each, line) for each in said)] == [], server.output
    page.end()


def test_a_chat_is_served_as_its_page_says(shell: Shell, echo: EchoServer) -> None:
    page = Blocks("docs/chat.md", "sh")
    (shell.folder / "chat.yml").write_text(apps_of(echo)["chat"], encoding="utf-8")
    [said] = shell.runs(page.take("jikko serve chat.yml"))
    assert "/v1/chat-messages" in said
    page.end()


def test_traces_go_where_their_page_says(shell: Shell) -> None:
    page = Blocks("docs/tracing.md")
    (shell.folder / "echo.yml").write_text(ECHO, encoding="utf-8")
    collector = Collector()
    try:
        install, serve = [command for command, _ in page.take("pip install '.[otel]'").commands()]
        # What the other line installs is here. tests/test_house.py holds that there is such an extra.
        assert install.startswith("pip install '.[otel]'")
        shell.says([replaced(serve, {"http://127.0.0.1:4318": collector.url})])
        shell.says(["jikko run echo.yml -i q=x --keep"])
        run = json.loads(shell.says(["jikko runs list --json"])[0])["workflow_run_id"]
        shell.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        _, printed = shell.runs(typed(page.take("jikko runs trace RUN"), {"RUN": run}))
        assert len(collector.spans(run)) == len(printed.splitlines()) == 3
    finally:
        collector.close()
    page.end()


def test_datasets_are_filled_searched_and_named_as_their_page_says(shell: Shell, tmp_path: Path) -> None:
    page = Blocks("docs/knowledge.md")
    install = page.take("pip install '.[knowledge]'")
    assert len(list(install.commands())) == 1
    (shell.folder / "docs").mkdir()
    (shell.folder / "docs" / "leave.txt").write_text("There are thirty days of leave a year.\n")
    with EmbeddingServer(tmp_path / "providers.yaml", seconds=0.0) as models:
        shell.environment["JIKKO_PROVIDERS"] = str(models.providers)
        _, found, listed, documents = shell.runs(page.take("jikko knowledge add handbook"))
        assert "thirty days" in found
        assert "handbook" in listed
        assert "leave.txt" in documents
        *_, mapped = shell.runs(typed(page.take("jikko knowledge map"), {"6f1d6b0e-…": str(WORKSPACE)}))
        assert "handbook" in mapped
        [external] = page.take("jikko knowledge external add").commands()
        [made] = shell.says([f"echo key | {external[0]}"])
        assert "https://search.example/api" in made

        there = Command(shell.folder / "home")
        [key] = there.json("knowledge", "keys", "create")
        server = Server(there.home, settings={"JIKKO_PROVIDERS": str(models.providers)})
        try:
            here = Shell(shell.folder / "docs", JIKKO_PROVIDERS=str(models.providers))
            lines = typed(page.take("jikko knowledge import"), {"https://dify.example": server.url})
            for command, _ in lines.commands():
                [said] = here.says([f"echo {key['api_key']} | {command}"])
                assert "handbook" in said
        finally:
            server.stop()
    page.end()
