"""``jikko apps``: importing, versions and keys."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, end, node, start, template
from tests.effort import PATIENCE, trusted


def version(text: str) -> str:
    """A file of the app ``Greeter`` that says this."""
    return app("Greeter", [start("q"), template("t", f"{text} {{{{ q }}}}", q="start.q"), end(said="t.output")],
               "start>t t>end")  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "greeter.yml"
    path.write_text(version("one"), encoding="utf-8")
    return path


def test_an_import_prints_one_object_a_file_with_ids_and_key(jikko: Command, file: Path) -> None:
    [entry] = jikko.json("apps", "import", file)
    assert list(entry)[:4] == ["file", "app_id", "workflow_id", "api_key"]
    assert entry["file"] == str(file)
    assert entry["api_key"].startswith("app-")
    assert (entry["version"], entry["warnings"]) == (1, [])


@pytest.mark.parametrize("name", ["", "名前の 見本", 'It\'s "so"'])
def test_an_import_did_not_say_which_app_it_was(jikko: Command, file: Path, name: str) -> None:
    printed = jikko("apps", "import", file, "--json", *(["--name", name] if name else []))
    [entry] = printed.lines
    [listed] = jikko.json("apps", "list")
    assert entry["name"] == listed["name"]
    assert not name or (entry["name"] == name and json.dumps(name, ensure_ascii=False) in printed.out)


def test_good_files_are_imported_though_others_are_bad(jikko: Command, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("- 1")
    outcome = jikko("apps", "import", bad, file, "--json")
    assert outcome.code == 1
    refused, imported = outcome.lines
    assert refused["file"] == str(bad)
    assert "error" in refused
    assert imported["api_key"]


def test_an_import_under_the_same_name_makes_a_new_version_and_the_old_one_still_runs(
    jikko: Command, file: Path
) -> None:
    [first] = jikko.json("apps", "import", file)
    file.write_text(version("two"), encoding="utf-8")
    [second] = jikko.json("apps", "import", file)
    assert second["app_id"] == first["app_id"]
    assert second["version"] == 2
    assert second["workflow_id"] != first["workflow_id"]

    server = Server(jikko.home)
    client = Client(server.url, first["api_key"])
    try:
        assert client.run(q="x")["data"]["outputs"] == {"said": "two x"}
        old = client.run(q="x", path=f"/v1/workflows/{first['workflow_id']}/run")
        assert old["data"]["outputs"] == {"said": "one x"}
        assert old["data"]["workflow_id"] == first["workflow_id"]
    finally:
        client.close()
        server.close()


def test_an_import_reaches_a_server_that_is_running(jikko: Command, file: Path) -> None:
    server = Server(jikko.home)
    try:
        [first] = jikko.json("apps", "import", file)
        client = Client(server.url, first["api_key"])
        assert client.run(q="x")["data"]["outputs"] == {"said": "one x"}
        file.write_text(version("two"), encoding="utf-8")
        jikko.json("apps", "import", file)
        assert client.run(q="x")["data"]["outputs"] == {"said": "two x"}
        client.close()
    finally:
        server.close()


def test_processes_that_import_a_new_app_at_once_make_one_app(jikko: Command, file: Path) -> None:
    jikko.json("migrate")
    files = [file.with_name(f"{number}.yml") for number in range(4)]
    for each in files:
        each.write_text(version(each.name), encoding="utf-8")
    with ThreadPoolExecutor(4) as threads:
        imported = [threads.submit(jikko.json, "apps", "import", each) for each in files]
    entries = [entry for each in imported for entry in each.result()]

    assert len(jikko.json("apps", "list")) == 1
    assert len({entry["app_id"] for entry in entries}) == 1
    assert sorted(entry["version"] for entry in entries) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "command", [("apps", "import"), ("serve", "--port", "0"), ("serve", "--port", "0", "--workers", "2")]
)
def test_two_files_of_one_app_are_refused_and_nothing_is_written(
    jikko: Command, file: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    other = tmp_path / "other.yml"
    other.write_text(version("two"), encoding="utf-8")

    outcome = jikko(*command, file, other)

    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert f"{file} and {other} are both called 'Greeter'" in outcome.err
    jikko.json("migrate")
    assert jikko.json("apps", "list") == []


def test_of_several_files_those_that_share_no_name_are_imported(jikko: Command, file: Path, tmp_path: Path) -> None:
    other, alone = (tmp_path / name for name in ("other.yml", "一つ.yml"))
    other.write_text(version("two"), encoding="utf-8")
    alone.write_text(version("three").replace("Greeter", "一つ 🍡"), encoding="utf-8")

    outcome = jikko("apps", "import", file, other, alone, "--json")

    assert outcome.code == 1
    entries = [json.loads(line) for line in outcome.out.splitlines()]
    assert [entry["error"]["code"] for entry in entries if "error" in entry] == ["conflict"] * 2
    assert [app["name"] for app in jikko.json("apps", "list")] == ["一つ 🍡"]


def test_a_file_is_imported_under_another_name(jikko: Command, file: Path) -> None:
    [plain] = jikko.json("apps", "import", file)
    [named] = jikko.json("apps", "import", file, "--name", "挨拶 👋")
    assert named["app_id"] != plain["app_id"]
    assert [entry["name"] for entry in jikko.json("apps", "list")] == ["Greeter", "挨拶 👋"]
    refused = jikko("apps", "import", file, file, "--name", "x")
    assert (refused.code, "give one FILE" in refused.err) == (2, True)


def test_a_file_of_another_mode_is_no_version_of_an_app(jikko: Command, file: Path, tmp_path: Path) -> None:
    jikko.json("apps", "import", file)
    chat = tmp_path / "chat.yml"
    answer = node("answer", "answer", answer="hello")
    chat.write_text(app("Greeter", [start("q"), answer], "start>answer", mode="advanced-chat"))
    outcome = jikko("apps", "import", chat, "--json")
    assert (outcome.code, outcome.lines[0]["error"]["code"]) == (9, "conflict")
    served = jikko("serve", "--port", "0", chat)
    assert (served.code, "is of mode workflow" in served.err) == (9, True)


def test_keys_are_not_kept(jikko: Command, file: Path) -> None:
    [entry] = jikko.json("apps", "import", file)
    for path in jikko.home.rglob("*"):
        if path.is_file():
            assert entry["api_key"].encode() not in path.read_bytes()


def test_a_revoked_key_opens_nothing(jikko: Command, file: Path) -> None:
    [entry] = jikko.json("apps", "import", file)
    [key] = jikko.json("apps", "keys", "Greeter")
    server = Server(jikko.home)
    try:
        header = {"Authorization": f"Bearer {entry['api_key']}"}
        assert httpx.get(f"{server.url}/v1/info", headers=header, verify=trusted(), timeout=PATIENCE).status_code == 200
        assert jikko("apps", "keys", "Greeter", "--revoke", key["id"]).code == 0
        assert httpx.get(f"{server.url}/v1/info", headers=header, verify=trusted(), timeout=PATIENCE).status_code == 401
    finally:
        server.close()


def test_one_key_opens_several_apps_as_models(jikko: Command, tmp_path: Path) -> None:
    for name in ("Greeter 東", "Other"):
        (tmp_path / f"{name}.yml").write_text(ECHO.replace("Echo", name), encoding="utf-8")
        jikko.json("apps", "import", tmp_path / f"{name}.yml", "--no-key")
    [made] = jikko.json("apps", "keys", "--new", "--apps", "Greeter 東, Other")
    outcome = jikko("apps", "keys", "--new", "--apps", "Greeter 東,Other", "--to", tmp_path / "key.txt")
    keys = [made["api_key"], (tmp_path / "key.txt").read_text().strip()]
    assert (outcome.code, keys[1] in outcome.out, [key[:5] for key in keys]) == (0, False, ["apps-"] * 2)
    server = Server(jikko.home)
    try:
        for key in keys:
            header = {"Authorization": f"Bearer {key}"}
            models = httpx.get(f"{server.url}/v1/models", headers=header, verify=trusted(), timeout=PATIENCE).json()[
                "data"
            ]
            assert [model["id"] for model in models] == ["greeter-東", "other"]
            assert (
                "KEY@ID"
                in httpx.get(f"{server.url}/v1/info", headers=header, verify=trusted(), timeout=PATIENCE).json()[
                    "message"
                ]
            )
    finally:
        server.close()
    assert len(jikko.json("apps", "keys", "Other")) == 2


@pytest.mark.parametrize(
    "words", [(), ("--apps", "Greeter"), ("Greeter", "--new", "--apps", "Greeter"), ("--new", "--apps", "Greeter")]
)
def test_what_key_is_meant_has_to_be_said(jikko: Command, file: Path, words: tuple[str, ...]) -> None:
    jikko.json("apps", "import", file)
    assert jikko("apps", "keys", *words).code == 2  # the last: where it is to go, since nobody reads it
    assert jikko("apps", "keys", "--new", "--apps", "Greeter,Nobody", "--json").code == 7
    assert len(jikko.json("apps", "keys", "Greeter")) == 1


def test_a_further_key_opens_the_same_app(jikko: Command, file: Path) -> None:
    jikko.json("apps", "import", file, "--no-key")
    [made] = jikko.json("apps", "keys", "Greeter", "--new")
    assert made["api_key"].startswith("app-")
    assert len(jikko.json("apps", "keys", "Greeter")) == 1


def test_lists_for_people_have_a_head_over_columns_and_an_empty_one_has_none(jikko: Command, file: Path) -> None:
    [entry] = jikko.json("apps", "import", file, "--name", "挨拶 👋")

    apps = jikko("apps", "list").out.splitlines()
    assert [line.split() for line in apps] == [["APP", "MODE", "NAME"], [entry["app_id"], "workflow", "挨拶", "👋"]]
    assert apps[0].index("NAME") == apps[1].index("挨拶")
    keys = jikko("apps", "keys", "挨拶 👋").out.splitlines()
    assert (keys[0].split(), len(keys)) == (["KEY", "BEGINS", "WITH", "MADE"], 2)
    assert jikko("knowledge", "keys", "list").out == ""


def test_list_and_show_tell_what_was_imported(jikko: Command, file: Path) -> None:
    [imported] = jikko.json("apps", "import", file)
    [listed] = jikko.json("apps", "list")
    assert (listed["app_id"], listed["name"], listed["mode"]) == (imported["app_id"], "Greeter", "workflow")
    [shown] = jikko.json("apps", "show", "Greeter")
    assert [entry["workflow_id"] for entry in shown["versions"]] == [imported["workflow_id"]]
    assert "Greeter" in jikko("apps", "list").out
    assert imported["workflow_id"] in jikko("apps", "show", imported["app_id"]).out


def test_the_name_of_an_app_does_not_steer_the_terminal(jikko: Command, file: Path) -> None:
    imported = jikko("apps", "import", file, "--name", "a\x07b\nc")

    assert imported.out.startswith("a b c: version 1 published from")
    assert "a b c" in jikko("apps", "list").out
    assert jikko.json("apps", "list")[0]["name"] == "a\x07b\nc"


def test_a_deleted_app_is_gone(jikko: Command, file: Path) -> None:
    jikko.json("apps", "import", file)
    assert jikko("apps", "delete", "Greeter", "--yes").code == 0
    assert jikko("apps", "list").out == ""


def test_the_file_of_a_version_comes_out_byte_by_byte(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "greeter.yml"
    texts = [
        b"\xef\xbb\xbf# \xe6\x8c\xa8\xe6\x8b\xb6\r\n" + version(word).encode() + b"\r\n"
        for word in ("\ue000 一 🌸", "two")
    ]
    for text in texts:
        file.write_bytes(text)
        [imported] = jikko.json("apps", "import", file)
    target = tmp_path / "out.yml"
    for which, text in (
        ((), texts[1]),
        (("--version", "1"), texts[0]),
        (("--version", imported["workflow_id"]), texts[1]),
    ):
        assert jikko("apps", "export", "Greeter", *which, "--to", target).code == 0
        assert target.read_bytes() == text
        assert jikko("apps", "export", "Greeter", *which).out.encode() == text
    missing = jikko("apps", "export", "Greeter", "--version", "3")
    assert (missing.code, "no version '3'; it has 1 to 2" in missing.err) == (7, True)


def test_an_older_version_is_made_current_and_a_running_server_takes_it(jikko: Command, file: Path) -> None:
    [first] = jikko.json("apps", "import", file)
    file.write_text(version("two"), encoding="utf-8")
    jikko.json("apps", "import", file)
    server = Server(jikko.home)
    client = Client(server.url, first["api_key"])
    try:
        assert client.run(q="x")["data"]["outputs"] == {"said": "two x"}
        assert jikko("apps", "use", "Greeter", "1").out == "Greeter: version 1 is the current one.\n"
        assert client.run(q="x")["data"]["outputs"] == {"said": "one x"}
        assert client.run(q="x")["data"]["workflow_id"] == first["workflow_id"]
    finally:
        client.close()
        server.close()
    [shown] = jikko.json("apps", "show", "Greeter")
    assert [(entry["number"], entry["current"]) for entry in shown["versions"]] == [(2, False), (1, True)]
    refused = jikko("apps", "use", "Greeter", "7")
    assert (refused.code, refused.has_traceback) == (7, False)


def test_who_removes_an_app_is_told_of_its_runs_which_can_still_be_listed(jikko: Command, file: Path) -> None:
    [imported] = jikko.json("apps", "import", file)
    server = Server(jikko.home)
    client = Client(server.url, imported["api_key"])
    runs = [client.run(q="x")["workflow_run_id"] for _ in range(2)]
    client.close()
    server.stop()

    asked = jikko("apps", "delete", "Greeter")
    assert asked.code == 2  # nobody answers
    assert "Remove app 'Greeter' with 1 version and 1 key? Its 2 runs stay: `jikko runs list --app" in asked.err
    [report] = jikko.json("apps", "delete", "Greeter", "--yes")
    assert (report["versions"], report["keys"], report["runs"]) == (1, 1, 2)

    def listed(*options: str) -> list[str]:
        return [entry["workflow_run_id"] for entry in jikko.json("runs", "list", *options)]

    assert listed() == []
    assert listed("--all") == listed("--app", "Greeter") == listed("--app", imported["app_id"]) == runs[::-1]
    assert "Greeter (removed)" in jikko("runs", "list", "--all").out

    jikko.json("apps", "import", file)
    assert listed() == []
    assert listed("--all") == listed("--app", "Greeter") == runs[::-1]
    assert jikko("runs", "list", "--app", "Nobody").code == 7


@pytest.mark.parametrize("command", [("show",), ("keys",), ("delete", "--yes"), ("export",), ("env",)])
def test_an_app_that_there_is_not_is_an_error(jikko: Command, command: tuple[str, ...]) -> None:
    jikko.json("migrate")
    outcome = jikko("apps", *command, "Nobody")
    assert outcome.code == 7
    assert not outcome.has_traceback
    assert "Nobody" in outcome.err


def test_warnings_do_not_stop_an_import(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "source.yml"
    file.write_text(app("Source", [start("q"), node("x", "datasource"), end()], "start>x x>end"))
    [entry] = jikko.json("apps", "import", file)
    assert entry["api_key"]
    assert len(entry["warnings"]) == 1


def test_chat_files_are_imported(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "chat.yml"
    answer = node("answer", "answer", answer="hello")
    file.write_text(app("Chat", [start("q"), answer], "start>answer", mode="advanced-chat"))
    assert jikko.json("apps", "import", file)[0]["api_key"]
