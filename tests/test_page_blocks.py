"""Every code block of the pages is executed, or parsed, or has a documented exception."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from jikko.apps.keys import parse_keys
from jikko.cli.main import cli
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import Fields
from jikko.dsl.repair import model_provider
from jikko.nodes.data.code import Code
from jikko.nodes.flow.schedule_node import recurrence_of
from jikko.plugins.plugins_file import parse_plugins_file
from jikko.providers.providers_file import parse_providers
from jikko.setting_sources import read_settings
from jikko.triggers.schedule_options import parse_triggers_file
from jikko.triggers.webhook_options import parse_webhook_options
from tests.page_blocks import PAGES, ROOT, Block, blocks
from tests.sandbox.packages.examples import examples

pytestmark = pytest.mark.once

HERE: Final = "tests/test_page_blocks.py"
TEN_MINUTES: Final = "tests/acceptance/test_first_ten_minutes.py"
COMMANDS: Final = "tests/acceptance/test_page_commands.py"
PAGES_OF_CLIENTS: Final = "tests/acceptance/test_pages.py"
TRIED: Final[dict[tuple[str, str], str]] = {
    ("README.md", "sh"): TEN_MINUTES,
    ("README.md", "console"): TEN_MINUTES,
    ("docs/quickstart.md", "sh"): TEN_MINUTES,
    ("docs/quickstart.md", "console"): TEN_MINUTES,
    **{
        (f"docs/{page}.md", kind): PAGES_OF_CLIENTS
        for page, kinds in {
            "callbacks": ("sh", "text", "python"),
            "event-log": ("sh", "text", "python"),
            "idempotency": ("sh", "text"),
            "proxies": ("sh", "text"),
        }.items()
        for kind in kinds
    },
    ("docs/api-management.md", "sh"): COMMANDS,
    ("docs/api-management.md", "json"): "tests/acceptance/test_mcp_server.py",
    ("docs/ag-ui.md", "js"): "tests/acceptance/test_ag_ui_client.py",
    ("docs/chat.md", "sh"): COMMANDS,
    ("docs/chat.md", "python"): COMMANDS,
    ("docs/check.md", "console"): COMMANDS,
    ("docs/check.md", "yaml"): COMMANDS,
    ("docs/cli.md", "sh"): COMMANDS,
    ("docs/cli.md", "console"): COMMANDS,
    ("docs/exit-codes.md", "console"): COMMANDS,
    ("docs/knowledge.md", "sh"): COMMANDS,
    ("docs/logging.md", "text"): COMMANDS,
    ("docs/moving-from-dify.md", "sh"): "tests/acceptance/test_moving_page.py",
    ("docs/tracing.md", "sh"): COMMANDS,
    ("docs/health.md", "console"): "tests/acceptance/test_health.py",
    ("docs/metrics.md", "yaml"): "tests/acceptance/test_promtool.py",
    ("docs/packages.md", "python"): "tests/sandbox/packages/examples.py",
    ("docs/packages.md", "json"): "tests/sandbox/packages/examples.py",
    ("docs/packages.md", "yaml"): HERE,
    ("docs/plugins.md", "yaml"): HERE,
    ("docs/providers.md", "yaml"): HERE,
    ("docs/proxies.md", "ini"): HERE,
    ("docs/nodes.md", "json"): "tests/acceptance/test_nodes_page.py",
    ("docs/nodes.md", "yaml"): "tests/acceptance/test_nodes_page.py",
    ("docs/javascript.md", "ts"): "tests/acceptance/test_javascript_client.py",
    ("docs/openai.md", "python"): "tests/acceptance/test_python_page.py",
    ("docs/python.md", "python"): "tests/acceptance/test_python_page.py",
    ("docs/testing.md", "console"): "tests/acceptance/test_testing_page.py",
    ("docs/testing.md", "python"): "tests/embedded/test_pytest_plugin.py",
    ("docs/testing.md", "sh"): "tests/acceptance/test_testing_page.py",
    ("docs/testing.md", "yaml"): "tests/acceptance/test_testing_page.py",
    ("docs/settings.md", "ini"): HERE,
    ("docs/settings.md", "toml"): HERE,
    ("docs/settings.md", "yaml"): HERE,
    ("docs/several-servers.md", "sh"): "tests/acceptance/test_several_servers_page.py",
    ("docs/schedules.md", "yaml"): HERE,
    ("docs/triggers.md", "yaml"): HERE,
    ("docs/tools.md", "console"): "tests/acceptance/test_tools_page.py",
    ("docs/tools.md", "yaml"): "tests/acceptance/test_tools_page.py",
    ("docs/upgrade.md", "ini"): "tests/deploy/test_unit.py",
    ("docs/upgrade.md", "sh"): "tests/acceptance/test_upgrade_page.py",
    ("docs/upgrade.md", "text"): "tests/acceptance/test_upgrade_page.py",
}
"""By page and kind of block, the file of tests that tries all of them."""
NO_INDEX: Final = "asks an index of packages; that there is such an extra is held by tests/test_house.py"
NO_CLUSTER: Final = "a cluster of Kubernetes; tests/deploy/test_chart.py renders the chart with these values"
NOT_TRIED: Final[dict[tuple[str, str], str]] = {
    ("docs/how-it-works.md", "  flow.yml\n"): "a drawing",
    ("docs/several-servers.md", "            ┌──"): "a drawing",
    ("docs/several-servers.md", "sudo apt-get install postgresql"): (
        "packages of an index; tests/acceptance/test_cluster_up.py starts the cluster and does what it prints"
    ),
    ("docs/knowledge.md", "pip install '.[knowledge]'"): NO_INDEX,
    ("docs/packages.md", "$ jikko packages install numpy pandas matplotlib\n"): (
        "large packages of an index; tests/sandbox/packages/test_installing.py installs small ones of its own, and"
        " tests/sandbox/packages/test_libraries.py these"
    ),
    ("docs/packages.md", "ENV JIKKO_PACKAGES="): "two lines for an image of the reader's own",
    ("docs/plugins.md", "pip install '.[plugins]'"): (
        "a plugin of Dify's marketplace; tests/acceptance/test_command_plugins.py has each command with one of its own"
    ),
    ("docs/service.md", "python3 -m venv /opt/jikko\n"): (
        "a machine with systemd; tests/deploy/test_image.py boots one with these units"
    ),
    ("docs/service.md", "docker build -f deploy/Dockerfile"): (
        "an engine of containers; tests/deploy/test_image.py builds this image and runs it so"
    ),
    ("docs/service.md", "helm install flows deploy/helm/jikko"): NO_CLUSTER,
    ("docs/service.md", "kubectl create secret generic jikko-urls"): NO_CLUSTER,
}
"""By page and beginning of a block, why no test tries it. What can be said of its commands without, is said here."""
_CALL: Final = re.compile(r"(?:^|[|;({] *|\bexec jikko )(?:\w+=\S* )*(?:[\w/]+/)?jikko ([^|;&>#)]+)")
"""A call in a line of the shell, and what it is given."""
ALL: Final = [block for page in PAGES for block in blocks(page)]


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


def reasons(block: Block) -> list[tuple[str, str]]:
    """The keys of ``NOT_TRIED`` that mean a block."""
    return [key for key in NOT_TRIED if key[0] == block.page and block.text.startswith(key[1])]


def test_each_block_is_tried_or_it_is_said_why_not() -> None:
    excused = [key for block in ALL for key in reasons(block)]
    assert sorted(excused) == sorted(NOT_TRIED)
    kinds = {(block.page, block.kind) for block in ALL if not reasons(block)}
    assert (kinds - TRIED.keys(), TRIED.keys() - kinds) == (set(), set())


def test_no_fence_is_missed_and_no_command_stands_outside_of_one() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(blocks(page)), page
        outside = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert (
            re.findall(r"^(?:    |\t)\$? ?(?:\w+=\S* )*(?:jikko|curl|pip|make|docker) .*", outside, re.MULTILINE) == []
        )


@pytest.mark.parametrize("file", sorted({*TRIED.values()} - {HERE}))
def test_the_tests_that_try_them_name_the_page(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pages = {Path(page).name for (page, _), tests in TRIED.items() if tests == file}
    assert {page for page in pages if page not in text} == set()


def test_the_tests_that_reasons_name_are_there() -> None:
    files = {file for reason in NOT_TRIED.values() for file in re.findall(r"tests/[\w/]+\.py", reason)}
    assert {file for file in files if not (ROOT / file).is_file()} == set()


SCRIPTS: Final = [block for block in ALL if block.kind in ("sh", "console")]


def test_a_shell_can_read_each_command() -> None:
    for block in SCRIPTS:
        script = "\n".join(command for command, _ in block.commands()) if block.kind == "console" else block.text
        done = subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), named(block)


def lines_of_jikko() -> Iterator[tuple[str, str]]:
    """Place and text of each call of ``jikko`` that the pages show, in blocks and within sentences."""
    for block in SCRIPTS:
        for command, _ in block.commands():
            yield from ((named(block), found) for found in _CALL.findall(command))
    for page in PAGES:
        text = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`([^`]+)`", text):
            found = re.match(r"(?:JIKKO_\w+=\S+ )?jikko (.+)", " ".join(code.replace("\\|", "|").split()))
            if found is not None:
                yield page, found[1].partition(" | ")[0]


def test_commands_and_options_that_are_shown_exist() -> None:
    lines = sorted({*lines_of_jikko()})
    assert len(lines) > 150
    wrong = {f"{place} {line}": unknown for place, line in lines if (unknown := unknown_in(line))}
    assert wrong == {}


def unknown_in(line: str) -> list[str]:
    """Commands and options that a call of ``jikko`` names and that there are not."""
    command: click.Command = cli
    words = [word for word in shlex.split(line, comments=True) if word not in ("…", "...", "COMMAND")]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        # "apps list|show": each of them.
        *others, name = words.pop(0).split("|")
        known = command
        missing = [each for each in (*others, name) if each not in known.commands]
        if missing:
            # ``jikko chat`` takes a file where others have commands.
            return [] if command.invoke_without_command and not others else missing
        command = known.commands[name]
    options = {option for entry in command.params for option in (*entry.opts, *entry.secondary_opts)} | {"--help", "-h"}
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return [option for option in given if option not in options]


@pytest.mark.parametrize(
    "block", [*blocks("docs/providers.md", "yaml"), *blocks("docs/settings.md", "yaml")], ids=named
)
def test_a_file_of_providers_that_is_shown_can_be_read(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    # A part of a file that is shown by itself is one behind a list of providers.
    whole = block.text if "providers" in shown else f"providers: {{openai: {{}}}}\n{block.text}"
    found = parse_providers(whole, {})
    given = {model_provider(name) for name in shown.get("providers", {"openai": {}})}
    assert found.entries.keys() == given
    for purpose, model in shown.get("defaults", {}).items():
        assert found.defaults[purpose].model == model["model"]
    assert found.extensions.keys() == shown.get("extensions", {}).keys()


@pytest.mark.parametrize("block", blocks("docs/plugins.md", "yaml"), ids=named)
def test_a_file_of_plugins_that_is_shown_can_be_read(block: Block) -> None:
    shown, found = yaml.safe_load(block.text), parse_plugins_file(block.text.encode(), {})
    assert found.entries.keys() == shown["plugins"].keys()
    assert found.aliases == shown["aliases"]


@pytest.mark.parametrize("block", blocks("docs/schedules.md", "yaml"), ids=named)
def test_what_is_shown_of_schedules_can_be_read(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    if "triggers" in shown:
        assert parse_triggers_file(block.text.encode()).keys() == shown["triggers"].keys()
    else:
        assert recurrence_of(shown)


@pytest.mark.parametrize("block", blocks("docs/triggers.md", "yaml"), ids=named)
def test_a_file_of_triggers_that_is_shown_can_be_read(block: Block) -> None:
    environment = {"GITHUB_SECRET": "a", "GITHUB_SECRET_BEFORE": "b", "STOCK_SECRET": "c", "STOCK_ADDRESS": "d" * 24}
    found = parse_webhook_options(block.text, environment)
    assert found.keys() == {"Orders/hook", "Stock/hook"}
    secrets = {secret for how in found.values() if how.verification is not None for secret in how.verification.secrets}
    assert "a" in secrets


@pytest.mark.parametrize("block", blocks("docs/packages.md", "yaml"), ids=named)
def test_outputs_that_are_shown_are_those_of_a_code_node(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    problems: list[Diagnostic] = []
    data = {"type": "code", "code_language": "python3", "code": "def main(): ...", "variables": [], **shown}
    node = Code.from_dsl(Fields("", data, problems))
    assert problems == []
    assert node.outputs.keys() == shown["outputs"].keys()


@pytest.mark.parametrize("block", blocks("docs/settings.md", "toml"), ids=named)
def test_a_file_of_settings_that_is_shown_can_be_read(block: Block, tmp_path: Path) -> None:
    (tmp_path / "jikko.toml").write_text(block.text, encoding="utf-8")
    settings = read_settings({}, home=tmp_path)
    for name, value in tomllib.loads(block.text).items():
        found = getattr(settings, name)
        assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize("block", blocks("docs/settings.md", "ini"), ids=named)
def test_a_list_of_keys_that_is_shown_can_be_read(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith("#")]
    assert [" = ".join(pair) for pair in parse_keys(block.text, "keys")] == lines != []


@pytest.mark.parametrize("block", blocks("docs/proxies.md", "ini"), ids=named)
def test_variables_that_are_shown_are_settings(block: Block, tmp_path: Path) -> None:
    given = dict(line.split("=", 1) for line in block.text.splitlines())
    settings = read_settings(given, home=tmp_path)
    for name, value in given.items():
        found = getattr(settings, name.removeprefix("JIKKO_").lower())
        assert found == value or ",".join(map(str, found)) == value


def test_the_programs_of_the_page_of_packages_are_all_among_the_examples() -> None:
    found = examples()
    assert [one.code for one in found] == [block.text for block in blocks("docs/packages.md", "python")]
    assert sum(one.result is not None for one in found) == len(blocks("docs/packages.md", "json"))
