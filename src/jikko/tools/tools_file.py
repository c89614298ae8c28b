"""Tools file: connections and credentials of the tools that workflows name; and its parser, which reports all problems
with their lines."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields, expected
from jikko.dsl.operator_file import OperatorFile, filled_in, names_in, read_operator_file
from jikko.ports.http import Pairs
from jikko.ports.served_apps import ServedApp
from jikko.ports.tools import ParameterForm, ToolName
from jikko.tools.mcp.schema import McpTool, read_tools
from jikko.tools.openapi.openapi_document import RemoteOperation, read_document
from jikko.values import Json

AuthType: TypeAlias = Literal["none", "api_key_header", "api_key_query"]
Prefix: TypeAlias = Literal["custom", "bearer", "basic"]
Transport: TypeAlias = Literal["http", "sse"]
"""HTTP transport of an MCP server: one request per message, or the legacy SSE transport."""
DEFAULT_ICON: Final = {"content": "🔧", "background": "#FFEAD5"}
TYPES: Final = ("api", "workflow", "mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    token_url: str
    id: str
    secret: str = field(repr=False)
    scope: str = ""
    params: Pairs = ()
    """Additional fields of the token request."""
    in_body: bool = False
    """Whether id and secret are sent in the body instead of as HTTP Basic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Credentials for a server."""

    type: AuthType = "none"
    name: str = ""
    """Name of the header or parameter."""
    value: str = field(default="", repr=False)
    prefix: Prefix = "custom"
    extra: Pairs = field(default=(), repr=False)
    """Additional headers."""
    oauth: OAuthClient | None = None
    """For an MCP server that requires a token."""

    def headers(self) -> Pairs:
        """Return the headers to send. ``basic`` values are already encoded."""
        if self.type != "api_key_header":
            return self.extra
        word = {"custom": "", "bearer": "Bearer ", "basic": "Basic "}[self.prefix]
        return ((self.name, f"{word}{self.value}"), *self.extra)

    def params(self) -> Pairs:
        """Return the query parameters to prepend."""
        return ((self.name, self.value),) if self.type == "api_key_query" else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values to be masked."""
        client = self.oauth.secret if self.oauth is not None else ""
        return tuple(secret for secret in (self.value, client, *(value for _, value in self.extra)) if secret)


NO_AUTH: Final = Auth()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProvider:
    id: str
    """Key of the entry: ``provider_id`` of tool nodes."""
    name: str
    icon: Json = field(default_factory=lambda: dict(DEFAULT_ICON))
    auth: Auth | None = None
    """For apps without their own; ``None``: only the apps in ``apps`` may use it."""
    apps: Mapping[str, Auth] = field(default_factory=dict)
    """Credentials of single apps, by app name."""
    unset: tuple[str, ...] = ()
    """Unset environment variables of the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProvider(ToolProvider):
    operations: Mapping[str, RemoteOperation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppParameter:
    """A start variable of an app, offered as a parameter."""

    name: str
    form: ParameterForm = "llm"
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowProvider(ToolProvider):
    """An app of this server. ``name`` is its only tool's."""

    app: str
    """Name of the app."""
    label: str = ""
    description: str = ""
    parameters: tuple[AppParameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProvider(ToolProvider):
    """MCP server: reached over HTTP, or a local program."""

    url: str = ""
    transport: Transport = "http"
    command: tuple[str, ...] = ()
    """Program and arguments."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The program's environment besides ``PATH`` and ``HOME``."""
    timeout: float = 30.0
    """Timeout in seconds to connect, and for an answer to begin."""
    sse_read_timeout: float = 300.0
    """Timeout in seconds of silence within an answer."""
    known_tools: Mapping[str, McpTool] | None = None
    """Tools as last described by the server; ``None``: it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsFile:
    providers: Mapping[str, ToolProvider] = field(default_factory=dict)
    """By id."""
    servers: Mapping[str, ServedApp] = field(default_factory=dict)
    """By code."""
    source: str = ""
    """Its name in messages; ``""`` if there is no file."""


def line_to_add(name: ToolName) -> str:
    """Return the line for the tools file, below ``tools:``, that would add a tool's provider."""
    label = name.provider_name or name.provider
    match name.provider_type:
        case "workflow":
            rest = f"type: workflow, name: {name.tool}, app: {label}, parameters: [{{name: …}}]"
        case "mcp":
            rest = f"type: mcp, name: {label}, url: https://…/mcp"
        case _:
            rest = f'type: api, name: {label}, schema: "openapi: 3.0.3 …"'
    return f'  "{name.provider}": {{{rest}}}'


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
