"""Starts a new Jikko for a suite: imports its apps, serves them with the support servers, and stops everything."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.free_ports import free_port

from .cases import Suite
from .execute import AppKey
from .knowledge import Knowledge, fill
from .processes import running

PROVIDER = "langgenius/openai/openai"
RERANKER = "langgenius/jina/jina"
CODE_SECONDS = "5"
"""Time limit of a node's code: a case reaches it twice."""


@dataclass(frozen=True)
class Target:
    """Server under test."""

    base_url: str
    echo_url: str
    keys: dict[str, AppKey]
    folder: Path
    """Contains its data folder, ``home``, and its providers and tools."""
    knowledge: Knowledge | None = None


@contextmanager
def started(suite: Suite, command: str, workdir: Path | None = None) -> Iterator[Target]:
    """Run Jikko with all apps of ``suite`` imported; data and logs are in ``workdir`` or a temporary folder."""
    with ExitStack() as stack:
        if workdir is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        else:
            home = workdir.absolute()
            home.mkdir(parents=True)
        echo_port, model_port, port = free_port(), free_port(), free_port()
        for module, at in (("echo_server", echo_port), ("openai_fake", model_port)):
            server = [sys.executable, "-m", f"{__package__}.support.{module}", "--port", str(at)]
            here = {"PYTHONPATH": str(Path(__file__).parent.parent)}
            stack.enter_context(running(server, f"http://127.0.0.1:{at}/health", home / f"{module}.log", here))
        echo_url = f"http://127.0.0.1:{echo_port}"
        env = _environment(home, model_port, suite, echo_url)
        if suite.tool_files:
            env |= {"JIKKO_TOOLS": str(_tools(suite, home, echo_url, stack))}
        base_url = f"http://127.0.0.1:{port}"
        serve = [*shlex.split(command), "serve", "--host", "127.0.0.1", "--port", str(port)]
        if (wanted := suite.knowledge) is not None:
            stack.enter_context(running(serve, f"{base_url}/health", home / "jikko.log", env))
            external, key = _knowledge(wanted, shlex.split(command), env, echo_url)
            knowledge = fill(wanted, base_url, key, external, echo_url)
            keys = _import(suite, shlex.split(command), home, env, echo_url, knowledge)
            yield Target(base_url, echo_url, keys, home, knowledge)
            return
        keys = _import(suite, shlex.split(command), home, env, echo_url)
        stack.enter_context(running(serve, f"{base_url}/health", home / "jikko.log", env))
        yield Target(base_url, echo_url, keys, home)


def _tools(suite: Suite, home: Path, echo_url: str, stack: ExitStack) -> Path:
    """Return the suite's tools file, after starting its MCP server."""
    port = free_port()
    server = [sys.executable, "-m", f"{__package__}.support.mcp_server", "--port", str(port)]
    here = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    stack.enter_context(running(server, f"http://127.0.0.1:{port}/health", home / "mcp_server.log", here))
    sections: dict[str, dict[str, object]] = {}
    for piece in suite.tool_files:
        text = piece.read_text(encoding="utf-8").replace("${MCP_URL}", f"http://127.0.0.1:{port}")
        for section, entries in yaml.safe_load(localised(text, echo_url)).items():
            sections.setdefault(section, {}).update(entries)
    file = home / "tools.yaml"
    file.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return file


def _environment(home: Path, model_port: int, suite: Suite, echo_url: str) -> dict[str, str]:
    """Return the contract's environment, with a provider of reranking models if the suite has knowledge."""
    providers = home / "providers.yaml"
    settings = {"type": "openai", "base_url": f"http://127.0.0.1:{model_port}/v1", "api_key": "sk-fake"}
    wanted = suite.providers
    models = {"models": wanted["models"]} if "models" in wanted else {}
    more = {RERANKER: {**settings, "type": "jina"}} if suite.knowledge is not None else {}
    document: dict[str, object] = {"providers": {PROVIDER: {**settings, **models}, **more}}
    if "extensions" in wanted:
        document["extensions"] = wanted["extensions"]
    providers.write_text(localised(yaml.safe_dump(document), echo_url), encoding="utf-8")
    data = home / "home"
    data.mkdir()
    return {
        "JIKKO_HOME": str(data),
        "JIKKO_PROVIDERS": str(providers),
        "JIKKO_HTTP_ALLOW": "127.0.0.0/8",
        "JIKKO_CODE_SECONDS": CODE_SECONDS,
        "PYTHONWARNINGS": "ignore",
    }


def _knowledge(
    wanted: dict[str, Any], command: list[str], env: Mapping[str, str], echo_url: str
) -> tuple[dict[str, str], str]:
    """Create the external knowledge APIs and a key of the knowledge API. Returns the former's ids, and the key."""
    made = {}
    for name, api in wanted.get("external_apis", {}).items():
        endpoint = api["endpoint"].replace("${ECHO_URL}", echo_url)
        add = [*command, "knowledge", "external", "add", name, "--endpoint", endpoint]
        made[name] = _json_output([*add, "--api-key", api["api_key"], "--json"], env)["id"]
    return made, _json_output([*command, "knowledge", "keys", "create", "--json"], env)["api_key"]


def _json_output(command: list[str], env: Mapping[str, str]) -> dict[str, str]:
    """Return the JSON object printed by a command."""
    done = subprocess.run(command, env={**os.environ, **env}, text=True, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def _import(
    suite: Suite,
    command: list[str],
    home: Path,
    env: Mapping[str, str],
    echo_url: str,
    knowledge: Knowledge | None = None,
) -> dict[str, AppKey]:
    """Import every DSL file; an app that fails to import gets no key, so its cases fail."""
    folder = home / "dsl"
    folder.mkdir()
    files = []
    for app, source in suite.dsl_files.items():
        file = folder / f"{app}.yml"
        text = localised(source.read_text(encoding="utf-8"), echo_url)
        file.write_text(knowledge.localised(text) if knowledge else text, encoding="utf-8")
        files.append(file)
    keys: dict[str, AppKey] = {}
    done = subprocess.run(
        [*command, "apps", "import", *files, "--json"],
        env={**os.environ, **env},
        text=True,
        stdout=subprocess.PIPE,
        check=False,
    )
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        app = Path(entry["file"]).stem
        if "error" in entry:
            print(f"not imported: {app}: {entry['error']}", file=sys.stderr)
        else:
            keys[app] = AppKey(entry["api_key"], entry["app_id"], entry["workflow_id"] or "", entry.get("webhooks", {}))
    return keys


def localised(dsl: str, echo_url: str) -> str:
    """Return a DSL with the address of the echo server filled in."""
    return dsl.replace("${ECHO_URL}", echo_url).replace("${ECHO_HOST}", echo_url.split("//")[-1])
