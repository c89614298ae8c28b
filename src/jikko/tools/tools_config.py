"""The tools file: how to reach the tools that workflows only name."""

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
"""How an MCP server is spoken to over HTTP: by one request for each message, or in the older way."""
DEFAULT_ICON: Final = {"content": "🔧", "background": "#FFEAD5"}
TYPES: Final = ("api", "workflow", "mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A program that an authorization server gives tokens to."""

    token_url: str
    id: str
    secret: str = field(repr=False)
    scope: str = ""
    params: Pairs = ()
    """Further fields of the request for a token."""
    in_body: bool = False
    """Whether id and secret go in the body of that request, and not as HTTP Basic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How a server is told who asks."""

    type: AuthType = "none"
    name: str = ""
    """Of the header, or of the parameter."""
    value: str = field(default="", repr=False)
    prefix: Prefix = "custom"
    extra: Pairs = field(default=(), repr=False)
    """Further headers."""
    oauth: OAuthClient | None = None
    """Of an MCP server that wants a token."""

    def headers(self) -> Pairs:
        """The headers that go along. ``basic`` encodes nothing: the value is encoded already."""
        if self.type != "api_key_header":
            return self.extra
        word = {"custom": "", "bearer": "Bearer ", "basic": "Basic "}[self.prefix]
        return ((self.name, f"{word}{self.value}"), *self.extra)

    def params(self) -> Pairs:
        """The parameters that go ahead of the others."""
        return ((self.name, self.value),) if self.type == "api_key_query" else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        client = self.oauth.secret if self.oauth is not None else ""
        return tuple(secret for secret in (self.value, client, *(value for _, value in self.extra)) if secret)


NO_AUTH: Final = Auth()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProvider:
    id: str
    """The key of the entry: ``provider_id`` of tool nodes."""
    name: str
    icon: Json = field(default_factory=lambda: dict(DEFAULT_ICON))
    auth: Auth | None = None
    """For apps that have none of their own; ``None``: only the apps in ``apps`` may use it."""
    apps: Mapping[str, Auth] = field(default_factory=dict)
    """Credentials of single apps, by the name of the app."""
    unset: tuple[str, ...] = ()
    """Environment variables that the entry names and that are not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProvider(ToolProvider):
    operations: Mapping[str, RemoteOperation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppParameter:
    """How a start variable of an app is offered as a parameter."""

    name: str
    form: ParameterForm = "llm"
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowProvider(ToolProvider):
    """An app of this server. ``name`` is that of its one tool."""

    app: str
    """Its name."""
    label: str = ""
    description: str = ""
    parameters: tuple[AppParameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    name: str
    description: str = ""
    parameters: tuple[ToolParameter, ...] = ()
    has_output_schema: bool = False
    """Whether it declares its structured content, each key of which then is an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProvider(ToolProvider):
    """An MCP server: one that is reached over HTTP, or a program that is started."""

    url: str = ""
    transport: Transport = "http"
    command: tuple[str, ...] = ()
    """The program and its arguments."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment of the program besides ``PATH`` and ``HOME``."""
    timeout: float = 30.0
    """Seconds to connect, and for the server to begin an answer."""
    sse_read_timeout: float = 300.0
    """Seconds of silence within an answer."""
    known_tools: Mapping[str, McpTool] | None = None
    """The last description that the server gave of its tools; ``None``: it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsFile:
    providers: Mapping[str, ToolProvider] = field(default_factory=dict)
    """By id."""
    servers: Mapping[str, ServedApp] = field(default_factory=dict)
    """By code."""
    source: str = ""
    """Where it is, as messages name it; ``""`` if there is none."""


def line_to_add(name: ToolName) -> str:
    """The line for the tools file, below ``tools:``, that would make the provider of a tool known."""
    label = name.provider_name or name.provider
    match name.provider_type:
        case "workflow":
            rest = f"type: workflow, name: {name.tool}, app: {label}, parameters: [{{name: …}}]"
        case "mcp":
            rest = f"type: mcp, name: {label}, url: https://…/mcp"
        case _:
            rest = f'type: api, name: {label}, schema: "openapi: 3.0.3 …"'
    return f'  "{name.provider}": {{{rest}}}'
