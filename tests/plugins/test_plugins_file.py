"""The plugins file."""

from pathlib import Path

import pytest

from jikko.errors import InvalidSettings
from jikko.plugins.plugins_file import parse_plugins_file, read_plugins_file

FILE = """
plugins:
  langgenius/tavily: {credentials: {key: "${TAVILY}", region: "x-${REGION}"}}
  duckduckgo: {network: direct}
  langgenius/email: {credentials: {user: a}, accounts: {"id-1": {user: "鍵 🗝"}}}
aliases: {"afeaad50/agent": svcvit/agent}
summary_model: {provider: openai, model: gpt-4o-mini}
"""


def test_credentials_networks_aliases_and_the_model_of_summaries_are_read() -> None:
    found = parse_plugins_file(FILE.encode(), {"TAVILY": "secret", "REGION": "eu"})
    assert found.of("langgenius/tavily").credentials == {"key": "secret", "region": "x-eu"}
    assert found.of("langgenius/duckduckgo").network == "direct"
    assert found.of("langgenius/email").credentials_for("id-1") == {"user": "鍵 🗝"}
    assert found.of("langgenius/email").credentials_for("other") == {"user": "a"}
    assert found.of("nobody/nothing").network == "gate"
    assert found.aliases == {"afeaad50/agent": "svcvit/agent"}
    assert found.summary_model == ("openai", "gpt-4o-mini")


def test_a_variable_that_is_not_set_is_told_with_the_plugin_and_is_no_error_of_the_file() -> None:
    found = parse_plugins_file(FILE.encode(), {"REGION": ""})
    assert found.of("langgenius/tavily").unset == ("TAVILY", "REGION")
    assert found.of("langgenius/email").unset == ()


def test_the_line_to_add_names_each_credential() -> None:
    line = parse_plugins_file(b"", {}).line_to_add("a/b", ("key", "other_key"))
    assert line == '  a/b: {credentials: {key: "${KEY}", other_key: "${OTHER_KEY}"}}'


@pytest.mark.parametrize(("text", "message"), [
    ("- 1", "is not a mapping"),
    ("plugins: [1]", "not a mapping"),
    ("plugin: {}", "did you mean 'plugins'"),
    ("plugins: {a/b: {key: 1}}", "line 1: plugins.a/b.key: is not known"),
    ("plugins: {a/b: {network: other}}", "network: is 'other'"),
    ("plugins: {A B/c: {}}", "is not the name of a plugin"),
    ("summary_model: {provider: x}", "summary_model.model: is missing"),
    ("a: [", "is not YAML"),
    ("a: \x00", "which YAML does not allow"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        parse_plugins_file(text.encode(), {}, source="plugins.yml")


def test_no_file_is_nothing_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert read_plugins_file(None, {}).entries == {}
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_plugins_file(tmp_path / "none.yml", {})
