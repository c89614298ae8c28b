"""``jikko plugins``: output and exit codes."""

import io
import zipfile
from pathlib import Path

import pytest

from jikko.plugins.package.package_archive import read_archive
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, node, start
from tests.plugins.packages import SIGNER, files, folder, packed
from tests.providers.workflows import workflow
from tests.strategies.agents import agent, tool

pytestmark = pytest.mark.slow
CREDENTIALS = {"key": {"type": "secret-input", "required": True}}


def installed(jikko: Command, path: Path, content: dict[str, bytes] | None = None) -> str:
    """Install a plugin; returns what was said."""
    outcome = jikko("plugins", "install", folder(path, content or files()), UV_OFFLINE="1")
    assert outcome.code == 0, outcome
    return outcome.out


def test_installing_says_whether_it_is_signed_and_what_it_may(tmp_path: Path, jikko: Command) -> None:
    output = installed(jikko, tmp_path / "plugin")
    assert output == "ok      tester/stand_in 0.0.1: unsigned, 0 packages; may use: tool, model.llm, storage\n"
    keys = tmp_path / "keys.pem"
    keys.write_text(SIGNER.pem)
    package = tmp_path / "signed.difypkg"
    package.write_bytes(SIGNER.signed(files(version="0.0.2")))
    signed = jikko("plugins", "install", package, "--json", UV_OFFLINE="1", JIKKO_PLUGINS_KEYS=str(keys))
    assert signed.lines[0]["trust"] == "signed"
    assert signed.lines[0]["identifier"].startswith("tester/stand_in:0.0.2@")


def test_where_keys_are_believed_what_none_of_them_signed_is_refused(tmp_path: Path, jikko: Command) -> None:
    keys = tmp_path / "keys.pem"
    keys.write_text(SIGNER.pem)
    settings = {"UV_OFFLINE": "1", "JIKKO_PLUGINS_KEYS": str(keys)}
    package, signed = tmp_path / "x.difypkg", SIGNER.signed(files())
    for content, output in ((packed(files()), "it is not signed"), (_changed(signed), "it was changed since")):
        package.write_bytes(content)
        refused = jikko("plugins", "install", package, **settings)
        assert (refused.code, output in refused.out, "--unsigned installs it anyway" in refused.out) == (1, True, True)
        assert jikko.json("plugins", "list") == []
    assert jikko("plugins", "install", package, "--unsigned", **settings).code == 0

    package.write_bytes(SIGNER.signed(files(version="0.0.2")))
    output = jikko("plugins", "install", package, UV_OFFLINE="1").out
    assert "signed; signature not checked (JIKKO_PLUGINS_KEYS names no keys)" in output


def _changed(signed: bytes) -> bytes:
    """A signed package with another file in it."""
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        comment = archive.comment
    return packed({**files(), "more.py": b"pass\n"}, comment)


def test_what_cannot_be_installed_is_said_and_the_others_are(tmp_path: Path, jikko: Command) -> None:
    broken = tmp_path / "broken.difypkg"
    broken.write_bytes(packed({"manifest.yaml": b"- 1"}))
    outcome = jikko("plugins", "install", broken, "nobody/nothing", folder(tmp_path / "p", files()), UV_OFFLINE="1")
    assert outcome.code == 1
    assert not outcome.has_traceback
    first, second, third, *_ = [line for line in outcome.out.splitlines() if line[0] in "oF"]
    assert first.startswith(f"FAILED  {broken}")
    assert "JIKKO_PLUGINS_MARKET" in second
    assert third.startswith("ok ")


def test_listing_calling_testing_and_removing(tmp_path: Path, jikko: Command) -> None:
    installed(jikko, tmp_path / "plugin")
    installed(jikko, tmp_path / "keyed", files(credentials=CREDENTIALS, name="keyed"))
    listed = jikko.json("plugins", "list")
    assert [entry["plugin"] for entry in listed] == ["tester/stand_in", "tester/keyed"]
    assert listed[0]["lacks"] == []
    assert "needs key" in listed[1]["lacks"][0]

    tools = [entry for entry in jikko.json("tools", "list") if entry["type"] == "plugin"]
    assert "tester/stand_in/stand_in/echo" in {
        f"{entry['provider']}/{entry['tool']}" for entry in tools if "tool" in entry
    }
    assert [entry["provider"] for entry in tools if "needs key" in entry.get("error", "")] == ["tester/keyed/stand_in"]

    [echo] = [name for name in listed[0]["has"] if name.endswith("/echo")]
    called = jikko("plugins", "call", echo, "words=日本語 🍵", "times=3")
    assert (called.code, called.lines) == (0, [{"type": "text", "text": "日本語 🍵"}])
    failed = jikko("plugins", "call", "tester/stand_in/stand_in/fail", "words=no", "printed=木曜日に失敗\nline 3\n")
    assert failed.code == 1
    assert "error type: ValueError, error details: no\n" in failed.err
    assert "\n木曜日に失敗\nline 3\n" in failed.err
    assert jikko("plugins", "call", "tester/stand_in/stand_in/none").code == 1
    assert jikko("plugins", "call", "x", "y").code == 2

    tested = jikko("plugins", "test")
    assert tested.code == 1
    assert "ok      tester/stand_in 0.0.1" in tested.out
    assert "FAILED  tester/keyed 0.0.1: the plugin tester/keyed needs key" in tested.out
    config = tmp_path / "plugins.yml"
    for key, code in (("right", 0), ("wrong", 1)):
        config.write_text(f"plugins: {{tester/keyed: {{credentials: {{key: {key}}}}}}}")
        outcome = jikko("plugins", "test", "tester/keyed", JIKKO_PLUGINS=str(config))
        assert outcome.code == code, outcome
    assert "wrong key" in outcome.out

    assert jikko("plugins", "remove", "tester/stand_in").code == 0
    assert jikko("plugins", "remove", "tester/stand_in").code == 1
    assert [entry["plugin"] for entry in jikko.json("plugins", "list")] == ["tester/keyed"]


def test_what_a_file_needs_is_listed_with_what_to_do(tmp_path: Path, jikko: Command) -> None:
    file = tmp_path / "agent.yml"
    data = agent(tool("echo", provider="tester/stand_in/stand_in"), tool("search", provider="tavily"))
    file.write_bytes(workflow(data, {"text": "text"}))
    installed(jikko, tmp_path / "plugin")
    outcome = jikko("plugins", "list", file)
    assert outcome.code == 1
    verdicts = [line.split()[0] for line in outcome.out.splitlines() if str(file) in line]
    assert verdicts == ["ok", "ok", "MISSING"]
    assert "needs the plugin langgenius/tavily, which is not installed" in outcome.out
    assert "jikko plugins install langgenius/tavily" in outcome.out
    checked = jikko("check", file)
    assert "the tool tavily/search needs the plugin langgenius/tavily" in checked.out + checked.err


def test_a_plugins_file_that_is_wrong_ends_the_command_with_its_problems(tmp_path: Path, jikko: Command) -> None:
    config = tmp_path / "plugins.yml"
    config.write_text("plugin: {}")
    outcome = jikko("plugins", "list", JIKKO_PLUGINS=str(config))
    assert outcome.code != 0
    assert "did you mean 'plugins'" in outcome.err
    assert not outcome.has_traceback


def needing(path: Path, **plugins: str) -> Path:
    """A DSL file whose nodes use tools of these plugins, each as the version with which it was made."""
    nodes = [
        node(
            name,
            "tool",
            provider_type="builtin",
            provider_id=f"tester/{name}/stand_in",
            provider_name=f"tester/{name}/stand_in",
            plugin_unique_identifier=made_with,
            tool_name="echo",
            tool_parameters={},
            tool_configurations={},
        )
        for name, made_with in plugins.items()
    ]
    path.write_text(
        app("Needs", [start("q"), *nodes, end(q="start.q")], f"start>{nodes[0]['id']} {nodes[-1]['id']}>end")
    )
    return path


def test_all_that_files_need_is_installed_from_a_folder_of_packages(tmp_path: Path, jikko: Command) -> None:
    old, new = packed(files(name="one")), packed(files(name="one", version="0.0.10"))
    checksum = read_archive(old).checksum
    shop = folder(tmp_path / "shop", {"a/one-old.difypkg": old, "a/one-new.difypkg": new, "broken.difypkg": b"PK"})
    folder(shop / "tools" / "two", files(name="two"))
    folder(shop / "tools" / "unused", files(name="unused"))
    flows = tmp_path / "flows"
    flows.mkdir()
    needing(flows / "a.yml", one=f"tester/one:0.0.1@{checksum}", two="")
    needing(flows / "b.yml", one=f"tester/one:0.0.10@{'0' * 64}", missing="tester/missing:1.0.0")

    outcome = jikko("plugins", "install", "--for", flows, shop, UV_OFFLINE="1")

    assert outcome.code == 1
    lines = sorted(line.split(":")[0] for line in outcome.out.splitlines() if line[0] in "oF")
    assert lines == [
        "FAILED  tester/missing",
        "ok      tester/one 0.0.1",
        "ok      tester/one 0.0.10",
        "ok      tester/two 0.0.1",
    ]
    assert "JIKKO_PLUGINS_MARKET" in outcome.out
    assert f"passed over: {shop / 'broken.difypkg'}: " in outcome.err
    listed = sorted((entry["plugin"], entry["version"]) for entry in jikko.json("plugins", "list"))
    assert listed == [("tester/one", "0.0.1"), ("tester/one", "0.0.10"), ("tester/two", "0.0.1")]

    again = jikko("plugins", "install", "--for", flows / "a.yml", "--json")
    assert (again.code, [line["was_there"] for line in again.lines]) == (0, [True, True])
    anew = jikko("plugins", "install", "--for", flows / "a.yml", shop, "--again", "--json", UV_OFFLINE="1")
    assert (anew.code, [line["was_there"] for line in anew.lines]) == (0, [False, False])
    assert jikko("plugins", "list", flows / "a.yml").code == 0


def test_without_a_version_of_the_file_the_newest_is_installed_and_said(tmp_path: Path, jikko: Command) -> None:
    shop = folder(
        tmp_path / "shop", {f"{v}.difypkg": packed(files(name="one", version=v)) for v in ("0.0.9", "0.0.10")}
    )
    file = needing(tmp_path / "a.yml", one="tester/one:9.9.9")

    outcome = jikko("plugins", "install", "--for", file, shop, UV_OFFLINE="1")

    assert outcome.out.startswith("ok      tester/one 0.0.10 in place of 9.9.9: ")


def test_a_file_that_cannot_be_read_is_said_and_nothing_named_is_wrong_usage(tmp_path: Path, jikko: Command) -> None:
    outcome = jikko("plugins", "install", "--for", tmp_path / "none.yml")
    assert (outcome.code, "cannot be read" in outcome.err) == (1, True)
    assert jikko("plugins", "install").code == 2
    missing = jikko("plugins", "install", "--for", tmp_path / "none.yml", tmp_path / "shpo")
    assert (missing.code, f"there is no {tmp_path / 'shpo'}" in missing.err) == (2, True)
