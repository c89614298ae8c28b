"""``jikko audit``: changes by commands are logged with their author; secrets and reads are not."""

from getpass import getuser
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, start, with_environment
from tests.effort import PATIENCE, trusted

pytestmark = pytest.mark.slow

NAME = "請求 🧾"
TEXT = with_environment(app(NAME, [start("q"), end(q="start.q")], "start>end"), KEY=("secret", "old-ひみつ-123"))


def test_what_commands_change_is_listed_with_who_did_it(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "app.yml"
    file.write_text(TEXT, encoding="utf-8")
    assert jikko("audit").out == ""
    [entry] = jikko.json("apps", "import", file)
    file.write_text(f"{TEXT} ", encoding="utf-8")
    for command in (
        ("apps", "import", file),
        ("apps", "import", file),  # the same bytes: nothing is changed
        ("apps", "use", NAME, "1"),
        ("apps", "env", NAME, "KEY=new-ひみつ-456"),
        ("apps", "env", NAME),
        ("apps", "keys", NAME, "--json"),
        ("apps", "keys", NAME, "--new", "--json"),
        ("apps", "sync", "--dry-run", tmp_path),
        ("console", "tokens", "new", "CI", "--scope", "audit:read"),
        ("apps", "delete", NAME, "--yes"),
    ):
        assert jikko(*command).code == 0, command
    assert jikko("apps", "use", NAME, "1").code != 0

    listed = jikko.json("audit")
    assert [each["action"] for each in listed] == [
        "apps delete",
        "console tokens new",
        "apps keys",
        "apps env",
        "apps use",
        "apps import",
        "apps import",
    ]
    assert {(each["actor"], each["via"]) for each in listed} == {(getuser(), "cli")}
    deleted, _, keyed, env, used, second, first = listed
    assert (used["before"], used["after"]) == ({"version": 2}, {"version": 1})
    assert (first["after"], second["after"]) == ({NAME: {"version": 1, "key": "new"}}, {NAME: {"version": 2}})
    assert (env["what"], keyed["what"]) == (f"{NAME} KEY", f"{NAME} --new")
    assert (env["before"]["KEY"][:4], env["after"]["KEY"][:4]) == ("old-", "new-")
    assert "ひみつ" not in str(listed)
    assert entry["api_key"] not in str(listed)
    assert (deleted["before"]["name"], deleted["app_id"]) == (NAME, entry["app_id"])
    assert len(jikko.json("audit", "--app", NAME)) == 6  # though it is gone
    assert len(jikko.json("audit", "--action", "apps import", "--actor", getuser(), "--since", "1h")) == 2
    assert jikko.json("audit", "--limit", "1") == [deleted]
    assert "apps use" in jikko("audit").out
    for wrong, code in ((("--since", "soon"), 2), (("--limit", "0"), 2), (("--app", "nobody"), 7)):
        assert jikko("audit", *wrong).code == code


def test_the_api_and_commands_share_one_list(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "app.yml"
    file.write_text(TEXT, encoding="utf-8")
    [made] = jikko.json("console", "tokens", "new", "CI")
    server = Server(jikko.home)
    try:
        headers = {"Authorization": f"Bearer {made['token']}"}
        with httpx.Client(
            base_url=f"{server.url}/api/v1", headers=headers, verify=trusted(), timeout=PATIENCE
        ) as client:
            assert client.put("/apps/Echo", content=file.read_bytes()).status_code == 201
            listed = client.get("/audit").json()["data"]
        assert [(each["via"], each["action"]) for each in listed] == [("api", "put_app"), ("cli", "console tokens new")]
        assert jikko.json("audit") == listed
    finally:
        server.close()
