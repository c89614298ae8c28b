"""``jikko --url … --token …``: commands that act on a server elsewhere, over the management API."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Outcome, Server
from tests.acceptance.workflows import app, end, form, node, start, with_environment

pytestmark = pytest.mark.slow

NAME = "返金 🧾"
TEXT = with_environment(app(NAME, [start("q"), end(q="start.q")], "start>end"), KEY=("secret", "old-ひみつ-123"))
CLOCK = app("Clock", [node("at", "trigger-schedule", mode="cron", cron_expression="0 * * * *"), end()], "at>end")
HOOK = app("Hook", [node("hook", "trigger-webhook", method="post"), end()], "hook>end")


@dataclass
class Elsewhere:
    """A command whose own data folder is empty, and a server with another one."""

    here: Command
    there: Command
    server: Server
    token: str

    def __call__(self, *arguments: str | Path, token: str = "", **more: Any) -> Outcome:
        """A command, with the server in its environment."""
        return self.here(*arguments, JIKKO_URL=self.server.url, JIKKO_TOKEN=token or self.token, **more)

    def json(self, *arguments: str | Path, code: int = 0, **more: Any) -> list[Any]:
        done = self(*arguments, "--json", **more)
        assert done.code == code, (arguments, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def scoped(self, *scopes: str) -> str:
        """A token that may do less."""
        [made] = self.there.json(
            "console", "tokens", "new", "less", *(word for one in scopes for word in ("--scope", one))
        )
        return str(made["token"])


@pytest.fixture
def elsewhere(jikko: Command, tmp_path: Path) -> Iterator[Elsewhere]:
    there = Command(tmp_path / "there")
    [made] = there.json("console", "tokens", "new", "CI")
    server = Server(there.home)
    yield Elsewhere(jikko, there, server, made["token"])
    server.close()
    assert not jikko.home.exists() or not list(jikko.home.glob("jikko.db"))  # nothing was done here


def written(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def test_apps_are_published_looked_at_and_removed(elsewhere: Elsewhere, tmp_path: Path) -> None:
    file = written(tmp_path / "files", a=TEXT) / "a.yml"
    [new] = elsewhere.json("apps", "import", file)
    assert (new["outcome"], new["name"], new["api_key"][:4]) == ("new", NAME, "app-")
    [same] = elsewhere.json("apps", "import", file)
    assert (same["outcome"], "api_key" in same) == ("unchanged", False)
    file.write_text(f"{TEXT} ", encoding="utf-8")
    [changed] = elsewhere.json("apps", "sync", tmp_path / "files", "--dry-run")
    assert (changed["outcome"], changed["version"]["number"]) == ("changed", 1)
    elsewhere.json("apps", "sync", tmp_path / "files")
    assert elsewhere("apps", "export", NAME).out == f"{TEXT} "
    assert elsewhere("apps", "export", NAME, "--version", "1").out == TEXT
    elsewhere.json("apps", "use", NAME, "1")
    [shown] = elsewhere.json("apps", "show", NAME)
    assert [(each["number"], each["current"]) for each in shown["versions"]] == [(2, False), (1, True)]
    assert [each["name"] for each in elsewhere.json("apps", "list")] == [NAME]
    assert NAME in elsewhere("apps", "list").out

    elsewhere.json("apps", "env", NAME, "KEY=new-ひみつ-456")
    [variable] = elsewhere.json("apps", "env", NAME)
    assert (variable["is_set"], variable["value"][:4], "ひみつ" in variable["value"]) == (True, "new-", False)
    [key] = elsewhere.json("apps", "keys", NAME, "--new")
    [_, listed] = elsewhere.json("apps", "keys", NAME)
    assert (listed["id"], "key" in listed) == (key["id"], False)
    elsewhere("apps", "keys", NAME, "--revoke", key["id"])
    assert len(elsewhere.json("apps", "keys", NAME)) == 1
    assert elsewhere("apps", "webhook-secret", NAME).code == 2
    [secret] = elsewhere.json("apps", "webhook-secret", NAME, "--new")
    assert secret["webhook_secret"].startswith("whsec_")
    elsewhere.json("apps", "delete", NAME, "--yes")
    assert elsewhere.json("apps", "list") == []
    audited = elsewhere.json("audit", "--limit", "3")
    assert [(each["via"], each["action"]) for each in audited[:2]] == [
        ("api", "delete_app"),
        ("api", "new_webhook_secret"),
    ]
    assert elsewhere("audit").out.splitlines()[1].startswith("20")  # a time, in words


def test_what_a_folder_does_not_have_is_removed_unless_a_file_is_refused(elsewhere: Elsewhere, tmp_path: Path) -> None:
    folder = written(tmp_path / "files", a=TEXT, b=CLOCK)
    elsewhere.json("apps", "sync", folder)
    (folder / "b.yml").write_text("[}", encoding="utf-8")
    broken = elsewhere("apps", "sync", folder, "--prune")
    assert (broken.code, "nothing is removed" in broken.err) == (1, True)
    (folder / "b.yml").unlink()
    assert [each["outcome"] for each in elsewhere.json("apps", "sync", folder, "--prune")] == ["unchanged", "removed"]
    assert [each["name"] for each in elsewhere.json("apps", "list")] == [NAME]


def test_a_token_that_may_not_make_keys_publishes_without(elsewhere: Elsewhere, tmp_path: Path) -> None:
    file, token = written(tmp_path / "files", a=TEXT) / "a.yml", elsewhere.scoped("apps:write")
    done = elsewhere("apps", "import", file, "--json", token=token)
    assert (done.code, json.loads(done.out)["api_key"], "lacks the scope keys:write" in done.err) == (0, None, True)
    file.write_text(f"{TEXT} ", encoding="utf-8")
    refused = elsewhere("apps", "import", file, "--new-key", token=token)
    assert (refused.code, "lacks the scope keys:write" in refused.err) == (11, True)
    assert ("imported, but no key was made" in refused.err, "not imported" in refused.err) == (True, False)
    assert elsewhere("apps", "export", NAME).out == f"{TEXT} "


def test_values_are_set_before_a_version_is_current_and_are_told_if_they_cannot_be(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    file = written(tmp_path / "files", a=TEXT) / "a.yml"
    elsewhere.json("apps", "import", file, "--env", "KEY=ひみつ-1")
    file.write_text(with_environment(TEXT, KEY=("secret", "x"), MORE=("number", 1)), encoding="utf-8")
    elsewhere.json("apps", "import", file, "--env", "KEY=ひみつ-2", "--env", "MORE=7")
    actions = [each["action"] for each in elsewhere.json("audit", "--limit", "3")]
    assert actions == ["set_environment", "put_app", "set_environment"]
    variables = {each["name"]: each["value"] for each in elsewhere.json("apps", "env", NAME)}
    assert variables["MORE"] == 7

    before = elsewhere("apps", "export", NAME).out
    file.write_text(f"{before} ", encoding="utf-8")
    refused = elsewhere("apps", "import", file, "--env", "MORE=多い")
    assert (refused.code != 0, "not imported" in refused.err) == (True, True)
    assert elsewhere("apps", "export", NAME).out == before
    unknown = elsewhere("apps", "import", file, "--env", "NONE=1")
    assert (unknown.code, "imported, but the environment was not set" in unknown.err) == (7, True)
    assert elsewhere("apps", "export", NAME).out == f"{before} "


def test_a_name_may_have_a_slash(elsewhere: Elsewhere, tmp_path: Path) -> None:
    name = "Q/A 日本"
    file = written(tmp_path / "files", a=app(name, [start("q"), end(q="start.q")], "start>end")) / "a.yml"
    text = file.read_text(encoding="utf-8")
    [trial] = elsewhere.json("apps", "sync", tmp_path / "files", "--dry-run")
    assert (trial["outcome"], trial["name"], trial["app_id"]) == ("new", name, None)
    [new] = elsewhere.json("apps", "import", file)
    assert (new["outcome"], new["name"], new["api_key"][:4]) == ("new", name, "app-")
    [same] = elsewhere.json("apps", "sync", tmp_path / "files", "--prune")
    assert (same["outcome"], same["app_id"]) == ("unchanged", new["app_id"])
    file.write_text(f"{text} ", encoding="utf-8")
    [changed] = elsewhere.json("apps", "import", file, "--name", name)
    assert (changed["outcome"], changed["version"]["number"]) == ("changed", 2)
    assert elsewhere("apps", "export", name).out == f"{text} "
    other = elsewhere("apps", "import", file, "--name", "A/Q")
    assert (other.code, "has to stand in the file" in other.err) == (1, True)


def test_runs_are_listed_shown_compared_stopped_and_repeated(elsewhere: Elsewhere, tmp_path: Path) -> None:
    asks = app("Asks", [start("q"), form("ask", "OK?"), end(q="start.q")], "start>ask ask:yes>end")
    new, waits = elsewhere.json("apps", "import", *(written(tmp_path / "f", a=TEXT, b=asks) / f"{n}.yml" for n in "ab"))
    client = Client(elsewhere.server.url, new["api_key"])
    one, two = (client.run(q=q)["workflow_run_id"] for q in ("1", "二"))
    client.close()
    assert [each["id"] for each in elsewhere.json("runs", "list", "--app", NAME, "--since", "1h")] == [two, one]
    [shown] = elsewhere.json("runs", "show", two)
    assert (shown["status"], shown["outputs"]) == ("succeeded", {"q": "二"})
    events = elsewhere.json("runs", "follow", two)
    assert len(events) > 3
    [diff] = elsewhere.json("runs", "diff", one, two, code=1)
    assert {field["path"] for field in diff["fields"]} >= {"/inputs/q", "/outputs/q"}
    assert elsewhere("runs", "stop", one).code == 9
    [again] = elsewhere.json("runs", "retry", two, "--from", "end", "--current")
    assert elsewhere.json("runs", "list", "--limit", "1")[0]["id"] == again["run_id"]
    [waited] = elsewhere.json("runs", "retry", two, "--from", "end", "--wait")
    assert (waited["status"], elsewhere.json("runs", "show", waited["run_id"])[0]["status"]) == ("succeeded",) * 2
    assert elsewhere("runs", "show", "ffff").code == 7
    [given] = elsewhere.json("runs", "retry", two, "--from", "end", "--values", 'start={"q": "別"}')
    assert elsewhere("runs", "follow", given["run_id"]).code == 0
    assert elsewhere.json("runs", "show", given["run_id"])[0]["lineage"]["replaced"] == {"start": ["q"]}

    client = Client(elsewhere.server.url, waits["api_key"])
    paused = client.run(q="x")["workflow_run_id"]
    client.close()
    [waiting] = elsewhere.json("runs", "forms", paused)
    elsewhere.json("runs", "submit", paused, "--action", "yes", "-i", "comment=はい")
    assert elsewhere.json("runs", "forms", paused) == []
    assert waiting["node_id"] == "ask"
    # Who waits for a run that waits for a form is told so.
    [asks] = elsewhere.json("runs", "retry", paused, "--from", "ask", "--wait", code=5)
    assert asks["status"] == "paused"


def test_triggers_and_deliveries(elsewhere: Elsewhere, tmp_path: Path) -> None:
    folder = written(tmp_path / "f", a=CLOCK, b=HOOK)
    elsewhere.json("apps", "sync", folder)
    clock, hook = sorted(elsewhere.json("triggers", "list"), key=lambda each: str(each["kind"]))
    [paused] = elsewhere.json("triggers", "pause", "Clock/at", "--for", "2h", "--reason", "休み")
    assert paused["schedule"]["paused"] == "休み"
    [off] = elsewhere.json("triggers", "disable", clock["id"])
    [on] = elsewhere.json("triggers", "enable", clock["id"])
    assert (off["enabled"], on["enabled"], on["schedule"]["paused"]) == (False, True, None)
    elsewhere.json("triggers", "fire", "Clock/at")
    assert elsewhere("triggers", "fire", "Clock/at", "--dry").code == 2
    client = Client(elsewhere.server.url, "none")
    client.request("POST", hook["path"], json={})
    client.close()
    [delivery] = elsewhere.json("deliveries", "list", "--trigger", "Hook/hook")
    [shown] = elsewhere.json("deliveries", "show", delivery["id"])
    elsewhere.json("deliveries", "replay", delivery["id"])
    assert len(elsewhere.json("deliveries", "show", delivery["id"])[0]["runs"]) == len(shown["runs"]) + 1
    assert elsewhere("triggers", "enable", "Clock/nothing").code == 7


def test_tokens_are_made_there_with_no_more_than_the_own(elsewhere: Elsewhere, tmp_path: Path) -> None:
    [made] = elsewhere.json("console", "tokens", "new", "読む", "--scope", "runs:read", "--expires", "1h")
    assert elsewhere.json("runs", "list", token=made["token"]) == []
    refused = elsewhere("apps", "list", token=made["token"])
    assert (refused.code, "lacks the scope apps:read" in refused.err) == (11, True)
    file = tmp_path / "token"
    elsewhere.json("console", "tokens", "new", "filed", "--viewer", "--to", file)
    assert file.read_text().startswith("jko_")
    assert {each["name"] for each in elsewhere.json("console", "tokens", "list")} == {"CI", "読む", "filed"}
    elsewhere("console", "tokens", "revoke", made["id"])
    assert elsewhere("runs", "list", token=made["token"]).code == 11
    maker = elsewhere.scoped("tokens:write")
    assert elsewhere("console", "tokens", "new", "more", token=maker).code == 11


def test_a_server_is_named_by_options_too_and_both_belong_together(elsewhere: Elsewhere) -> None:
    given = ("--url", elsewhere.server.url, "--token", elsewhere.token)
    assert elsewhere.here(*given, "apps", "list", "--json").code == 0
    assert elsewhere.here("--url", elsewhere.server.url, "apps", "list").code == 2
    assert elsewhere.here("--token", elsewhere.token, "apps", "list").code == 2
    assert elsewhere.here("--url", "ftp://x", "--token", "jko_x", "apps", "list").code == 2
    assert elsewhere.here("--url", elsewhere.server.url, "--token", "a\nb", "apps", "list").code == 2


@pytest.mark.parametrize("given", [{"JIKKO_URL": "https://jikko.example", "JIKKO_TOKEN": ""}, {"JIKKO_TOKEN": "jko_x"}])
def test_a_variable_that_is_not_set_does_not_turn_a_command_to_the_folder_here(
    jikko: Command, tmp_path: Path, given: dict[str, str]
) -> None:
    folder = written(tmp_path / "files", a=TEXT)
    commands: list[tuple[str | Path, ...]] = [
        ("apps", "import", folder / "a.yml"),
        ("apps", "sync", folder, "--prune"),
        ("apps", "delete", NAME, "--yes"),
        ("console", "tokens", "list"),
        ("runs", "stop", "0" * 8),
    ]
    for command in commands:
        refused = jikko(*command, **given)
        assert (refused.code, "belong together" in refused.err) == (2, True), (command, refused.err)
    assert jikko("check", folder / "a.yml", **given).code == 0
    assert not list(jikko.home.glob("jikko.db"))


@pytest.mark.parametrize(
    "command",
    [
        ("runs", "prune", "--older-than", "1d"),
        ("apps", "keys", "A", "--add", "f"),
        ("users", "delete", "A", "u", "--yes"),
        ("backup", "x"),
        ("console",),
    ],
    ids=" ".join,
)
def test_what_works_here_alone_is_refused_and_says_why(elsewhere: Elsewhere, command: tuple[str, ...]) -> None:
    refused = elsewhere(*command)
    assert (refused.code, "--url" in refused.err) == (2, True), refused.err


def test_files_are_worked_with_whatever_server_the_environment_names(elsewhere: Elsewhere, tmp_path: Path) -> None:
    file = written(tmp_path / "f", a=TEXT) / "a.yml"
    assert elsewhere("check", file).code == 0
    assert elsewhere("show", file).code == 0
    assert elsewhere("doctor").code == 0
    for command in (("check", file), ("doctor",)):
        refused = elsewhere.here("--url", elsewhere.server.url, "--token", elsewhere.token, *command)
        assert (refused.code, "works with files" in refused.err) == (2, True)


def test_a_server_that_is_none_or_sends_elsewhere_gets_no_token_twice(elsewhere: Elsewhere) -> None:
    gone = elsewhere.here("apps", "list", JIKKO_URL="http://127.0.0.1:9", JIKKO_TOKEN="jko_x")
    assert (gone.code, "no server answers" in gone.err) == (10, True)
    other = elsewhere.here("apps", "list", JIKKO_URL=f"{elsewhere.server.url}/console", JIKKO_TOKEN="jko_x")
    assert (other.code != 0, "Traceback" in other.err) == (True, False)
    wrong = elsewhere("apps", "list", token="jko_wrong")
    assert (wrong.code, "Unknown console token" in wrong.err) == (11, True)
