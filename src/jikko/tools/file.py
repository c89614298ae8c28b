"""Reads the tools file. Every problem of it is told at once, with its line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from jikko.config_file import read_config_file, require_no_problems
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.expansion import expanded, names_in
from jikko.dsl.fields import Fields
from jikko.dsl.text.positions import Positions
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.errors import InvalidSettings
from jikko.ports.app_calls.served_apps import ServedApp
from jikko.tools.config import (
    NO_AUTH,
    TYPES,
    ApiProvider,
    AppParameter,
    McpProvider,
    ToolProvider,
    ToolsFile,
    WorkflowProvider,
)
from jikko.tools.credentials import api_auth, mcp_auth, own_auth
from jikko.tools.mcp.schema import read_tools
from jikko.tools.openapi.document import read_document

_LIMITS: Final = LoadLimits(max_bytes=16 << 20)
_COMMON: Final = ("type", "name", "icon", "apps")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": (*_COMMON, "auth", "schema"),
    "workflow": (*_COMMON, "label", "description", "app", "parameters"),
    "mcp": (
        *_COMMON,
        *("url", "transport", "headers", "oauth", "timeout", "sse_read_timeout", "known_tools"),
        *("command", "args", "env"),
    ),
}
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")


def read_tools_file(file: Path | None, environment: Mapping[str, str]) -> ToolsFile:
    """The tools that a file describes; none if there is no file.

    Args:
        environment: What ``${NAME}`` in the file stands for. A name that is not set is no error of the file: only the
            tools of that entry cannot be called.

    Raises:
        InvalidSettings: The file cannot be read. Carries every problem found.
    """
    if file is None:
        return ToolsFile()
    return parse_tools_file(read_config_file(file, "tools file", _LIMITS.max_bytes), environment, source=str(file))


def parse_tools_file(text: bytes | str, environment: Mapping[str, str], *, source: str = "tools file") -> ToolsFile:
    """The tools that a text describes. See ``read_tools_file``."""
    problems: list[Diagnostic] = []
    try:
        written = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        raw = parse(written, _LIMITS)
    except UnicodeDecodeError:
        raise InvalidSettings(f"The tools file {source} is no text in UTF-8.") from None
    except YamlProblem as problem:
        place = f"line {problem.line}: " if problem.line else ""
        raise InvalidSettings(f"The tools file {source}, {place}{problem}.") from None
    root = Fields("", raw if isinstance(raw, dict) else {}, problems)
    if raw is not None and not isinstance(raw, dict):
        root.problem(
            "", Phrase("document.no_mapping"), Phrase("remedy.expected", {"wanted": "tools: and mcp_servers:"})
        )
    root.check_names(("tools", "mcp_servers"))
    providers = _entries(root.mapping("tools"), environment)
    servers = {server.code: server for server in map(_served, _listed(root.mapping("mcp_servers")))}
    positions = Positions(written) if problems else None
    require_no_problems(problems, "tools", source, lambda problem: _line(problem, positions))
    return ToolsFile(providers=providers, servers=servers, source=source)


def _line(problem: Diagnostic, positions: Positions | None) -> int:
    position = positions.at(problem.where) if positions is not None else None
    return 0 if position is None else position.line


def _listed(fields: Fields) -> list[tuple[str, Fields]]:
    return [(str(key), fields.mapping(key)) for key in fields.raw]


def _entries(listed: Fields, environment: Mapping[str, str]) -> dict[str, ToolProvider]:
    found: dict[str, ToolProvider] = {}
    for id_, fields in _listed(listed):
        unset: list[str] = []
        named = names_in(fields.raw.get("url"))
        written = fields.raw
        values = {
            # A schema is a text that is read in its turn: values are put into what was read.
            name: value if name == "schema" else expanded(value, environment, unset)
            for name, value in written.items()
        }
        fields = Fields(fields.where, values, fields.problems, written)
        kind = fields.choice("type", TYPES, "")
        if not kind:
            if fields.raw.get("type") is None:
                fields.problem(
                    "type", Phrase("document.missing"), Phrase("remedy.expected", {"wanted": ", ".join(TYPES)})
                )
            continue
        fields.check_names(_KEYS[kind])
        schema = fields.text("schema", required=True) if kind == "api" else ""
        operations = read_document(schema, fields.at("schema"), fields.problems, environment, unset) if schema else {}
        common: dict[str, Any] = {
            "id": id_,
            "name": fields.text("name") or id_,
            "unset": tuple(dict.fromkeys(unset)),
            "apps": {app: own_auth(kind, own) for app, own in _listed(fields.mapping("apps"))},
        }
        if fields.raw.get("icon") is not None:
            common["icon"] = fields.mapping("icon").raw
        match kind:
            case "api":
                auth = api_auth(fields.mapping("auth"), _shared(fields, "auth"))
                found[id_] = ApiProvider(**common, auth=auth, operations=operations)
            case "workflow":
                found[id_] = _workflow(fields, common)
            case _:
                found[id_] = _mcp(fields, common, has_url=not set(named) & set(unset))
    return found


def _shared(fields: Fields, name: str) -> bool:
    """Whether every app may use an entry: it says how, or names no apps."""
    return fields.raw.get(name) is not None or not fields.raw.get("apps")


def _workflow(fields: Fields, common: dict[str, Any]) -> WorkflowProvider:
    parameters = []
    for entry in fields.mappings("parameters"):
        entry.check_names(("name", "form", "description"))
        form = entry.choice("form", ("llm", "form"), "llm")
        name = entry.text("name", required=True)
        parameters.append(AppParameter(name=name, form=cast(Any, form), description=entry.text("description")))
    return WorkflowProvider(
        **common,
        auth=NO_AUTH if _shared(fields, "auth") else None,
        app=fields.text("app", required=True),
        label=fields.text("label"),
        description=fields.text("description"),
        parameters=tuple(parameters),
    )


def _mcp(fields: Fields, common: dict[str, Any], *, has_url: bool) -> McpProvider:
    url, command = fields.text("url"), fields.text("command")
    if bool(url) == bool(command) and (has_url or command):
        fields.problem(
            "", Phrase("document.two_servers" if url else "document.no_server"), Phrase("remedy.expected_one")
        )
    elif url and has_url:
        fields.check_url(url)
    # As Dify tells them apart.
    is_old = url.partition("?")[0].rstrip("/").endswith("/sse")
    env = fields.mapping("env")
    known = fields.raw.get("known_tools")
    return McpProvider(
        **common,
        auth=mcp_auth(fields) if _shared(fields, "headers") or _shared(fields, "oauth") else None,
        url=url,
        transport=cast(Any, fields.choice("transport", ("http", "sse"), "sse" if is_old else "http")),
        command=(command, *map(str, fields.items("args"))) if command else (),
        env={str(name): env.text(name) for name in env.raw},
        timeout=_seconds(fields, "timeout", 30.0),
        sse_read_timeout=_seconds(fields, "sse_read_timeout", 300.0),
        known_tools=None if known is None else read_tools(fields.mappings("known_tools")),
    )


def _seconds(fields: Fields, name: str, default: float) -> float:
    value = fields.raw.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        fields.problem(name, Phrase("document.value", {"value": fields.shown(name)}), Phrase("remedy.seconds"))
        return default
    return float(value)


def _served(entry: tuple[str, Fields]) -> ServedApp:
    code, fields = entry
    if _CODE.fullmatch(code) is None:
        fields.problem("", Phrase("document.no_code"), Phrase("remedy.code"))
    fields.check_names(("app", "description", "parameters", "status"))
    parameters = fields.mapping("parameters")
    return ServedApp(
        code=code,
        app=fields.text("app", required=True),
        description=fields.text("description"),
        parameters={str(name): parameters.text(name) for name in parameters.raw},
        active=fields.choice("status", ("active", "inactive"), "active") == "active",
    )
