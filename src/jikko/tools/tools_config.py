"""Tools file: connections and credentials of the tools that workflows name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from jikko.ports.http import Pairs
from jikko.ports.served_apps import ServedApp
from jikko.ports.tools import ParameterForm, ToolName, ToolParameter
from jikko.tools.openapi.openapi_document import RemoteOperation
from jikko.values import Json

AuthType: TypeAlias = Literal["none", "api_key_header", "api_key_query"]
Prefix: TypeAlias = Literal["custom", "bearer", "basic"]
Transport: TypeAlias = Literal["http", "sse"]
"""HTTP transport of an MCP server: one request per message, or the legacy SSE transport."""
DEFAULT_ICON: Final = {"content": "🔧", "background": "#FFEAD5"}
TYPES: Final = ("api", "workflow", "mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """OAuth client of an authorization server."""

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
class McpTool:
    name: str
    description: str = ""
    parameters: tuple[ToolParameter, ...] = ()
    has_output_schema: bool = False
    """Whether it declares structured content, whose keys become outputs."""


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
