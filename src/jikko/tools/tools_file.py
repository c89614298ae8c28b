"""Parser of the tools file, which reports all problems with their lines."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields, expected
from jikko.dsl.operator_file import OperatorFile, filled_in, names_in, read_operator_file
from jikko.ports.served_apps import ServedApp
from jikko.tools.mcp.schema import read_tools
from jikko.tools.openapi.openapi_document import read_document
from jikko.tools.tools_config import (
    NO_AUTH,
    TYPES,
    ApiProvider,
    AppParameter,
    Auth,
    McpProvider,
    OAuthClient,
    ToolProvider,
    ToolsFile,
    WorkflowProvider,
)

_AUTH_KEYS: Final = ("type", "header", "param", "value", "prefix")
_OAUTH_KEYS: Final = ("token_url", "client_id", "client_secret", "scope", "params", "secret_in")


def api_auth(fields: Fields, is_shared: bool = True) -> Auth | None:
    """Parse ``auth`` of an API; ``None`` if the entry is only for the apps that it lists."""
    if not is_shared:
        return None
    kind = fields.choice("type", ("none", "api_key_header", "api_key_query"), "none")
    fields.check_names(_AUTH_KEYS)
    if kind == "none":
        return NO_AUTH
    value = fields.text("value")
    if fields.raw.get("value") is None:
        fields.problem("value", MISSING, Phrase("remedy.key", {"key": '"${NAME}"'}))
    if kind == "api_key_query":
        return Auth(type="api_key_query", name=fields.text("param") or "key", value=value)
    name = fields.text("header") or "Authorization"
    if not name.isascii() or not value.isascii() or any(character in value for character in "\r\n\0"):
        fields.problem("value", Phrase("document.no_header"))
    prefix = fields.choice("prefix", ("custom", "bearer", "basic"), "custom")
    return Auth(type="api_key_header", name=name, value=value, prefix=cast(Any, prefix))


def own_auth(kind: str, fields: Fields) -> Auth:
    """Parse an app's own credentials, below ``apps``."""
    if kind == "api":
        fields.check_names(("auth",))
        return api_auth(fields.mapping("auth")) or NO_AUTH
    if kind == "mcp":
        fields.check_names(("headers", "oauth"))
        return mcp_auth(fields)
    fields.check_names(())
    return NO_AUTH


def _headers(fields: Fields) -> Auth:
    pairs = []
    for name in fields.raw:
        value = fields.text(name)
        if not str(name).isascii() or not value.isascii() or any(character in value for character in "\r\n\0"):
            fields.problem(str(name), Phrase("document.no_header"))
        pairs.append((str(name), value))
    return Auth(extra=tuple(pairs))


def mcp_auth(fields: Fields) -> Auth:
    """Parse ``headers`` and ``oauth`` of an MCP server."""
    headers = _headers(fields.mapping("headers"))
    if fields.raw.get("oauth") is None:
        return headers
    client = fields.mapping("oauth")
    client.check_names(_OAUTH_KEYS)
    params, url = client.mapping("params"), client.text("token_url", required=True)
    if url and "$" not in url:
        client.check_url(url, "token_url")
    return replace(
        headers,
        oauth=OAuthClient(
            token_url=url,
            id=client.text("client_id", required=True),
            secret=client.text("client_secret", required=True),
            scope=client.text("scope"),
            params=tuple((str(name), params.text(name)) for name in params.raw),
            in_body=client.choice("secret_in", ("header", "body"), "header") == "body",
        ),
    )


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
    """Read a tools file; empty if there is none. Raises ``InvalidSettings`` with every problem.

    ``environment``: For ``${NAME}``. An unset name only disables the tools of its entry.
    """
    if file is None:
        return ToolsFile()
    return parse_tools_file(read_operator_file(file, "tools"), environment, source=str(file))


def parse_tools_file(text: bytes | str, environment: Mapping[str, str], *, source: str = "tools file") -> ToolsFile:
    """Parse the text of a tools file. See ``read_tools_file``."""
    file = OperatorFile(text, "tools", source, ("tools", "mcp_servers"))
    providers = _entries(file.root.mapping("tools"), environment)
    servers = {server.code: server for server in map(_served, file.root.mapping("mcp_servers").entries())}
    file.require_no_problems()
    return ToolsFile(providers=providers, servers=servers, source=source)


def _entries(listed: Fields, environment: Mapping[str, str]) -> dict[str, ToolProvider]:
    found: dict[str, ToolProvider] = {}
    for id_, written in listed.entries():
        unset: list[str] = []
        named = names_in(written.get("url"))
        # A schema is parsed later: values are inserted after that.
        fields = filled_in(written, environment, unset, but="schema")
        kind = fields.choice("type", TYPES, "")
        if not kind:
            if fields.raw.get("type") is None:
                fields.problem("type", MISSING, expected(", ".join(TYPES)))
            continue
        fields.check_names(_KEYS[kind])
        schema = fields.text("schema", required=True) if kind == "api" else ""
        operations = read_document(schema, fields.at("schema"), fields.problems, environment, unset) if schema else {}
        common: dict[str, Any] = {
            "id": id_,
            "name": fields.text("name") or id_,
            "unset": tuple(dict.fromkeys(unset)),
            "apps": {app: own_auth(kind, own) for app, own in fields.mapping("apps").entries()},
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
    # As Dify distinguishes them.
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
        timeout=fields.seconds("timeout", 30.0),
        sse_read_timeout=fields.seconds("sse_read_timeout", 300.0),
        known_tools=None if known is None else read_tools(fields.mappings("known_tools")),
    )


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
