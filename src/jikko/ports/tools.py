"""Tools, as called by nodes.

A workflow only names a tool; the installation knows its location and parameters: Jikko's own tools, those of the tools
file, those of plugins. Source: docs/dify-behaviour.md, “Tools”.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase, joined
from jikko.events import Usage
from jikko.values import Json

ParameterForm: TypeAlias = Literal["llm", "form"]
"""``llm``: filled in by a node from ``tool_parameters``. ``form``: configured in ``tool_configurations``."""


class ToolName(Struct, frozen=True, kw_only=True):
    """Reference to a tool in a workflow."""

    provider_type: str
    """``builtin``, ``plugin``, ``api``, ``workflow``, ``mcp``, or any other text in a file."""
    provider: str
    """``provider_id``: the name of a built-in or plugin provider (``time``, ``langgenius/tavily/tavily``), the id of an
    entry of the tools file, or the identifier of an MCP server."""
    tool: str
    """``tool_name``."""
    provider_name: str = ""
    """For messages only."""
    credential_id: str = ""
    """One of several sets of credentials; ``""`` for the default."""
    plugin: str = ""
    """``plugin_unique_identifier``, as in the file: ``author/name:version@checksum``."""

    def __str__(self) -> str:
        return f"{self.provider_name or self.provider}/{self.tool}"


class ToolParameter(Struct, frozen=True, kw_only=True):
    name: str
    type: str = "string"
    """Conversion of values: ``string``, ``select``, ``secret-input``, ``number``, ``boolean``, ``array``, ``object``,
    ``file``, ``files``, ``system-files``. Values of other types are passed on unchanged."""
    form: ParameterForm = "llm"
    required: bool = False
    default: Json = None
    options: tuple[str, ...] = ()
    """Allowed values of a ``select``."""
    description: str = ""
    schema: Mapping[str, Json] | None = None
    """JSON Schema of an ``array`` or ``object`` from the tool's server, for models that fill it in."""


class Tool(Struct, frozen=True, kw_only=True):
    """Declaration of a tool."""

    name: ToolName
    parameters: tuple[ToolParameter, ...] = ()
    description: str = ""
    plugin: str | None = None
    """Identifier of its plugin, for ``tool_info`` of the record."""
    open_settings: str = ""
    """Name prefix of additional settings, which it accepts besides its parameters; ``""`` for none."""

    def with_settings(self, names: Iterable[str]) -> "Tool":
        """Return the tool with the accepted additional settings added to its parameters."""
        taken = [name for name in names if self.open_settings and name.startswith(self.open_settings)]
        if not taken:
            return self
        return replace(self, parameters=(*self.parameters, *(ToolParameter(name=name, form="form") for name in taken)))

    def parameter(self, name: str) -> ToolParameter | None:
        # Called for each value of every call: a plain loop is faster than a generator.
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None


class Caller(Struct, frozen=True, kw_only=True):
    """Node execution on whose behalf a tool, a strategy or a plugin is called."""

    app_id: str = ""
    """Determines credentials, files and turns."""
    run_id: str = ""
    end_user_id: str = ""
    user: str = ""
    """``user`` of the request that started the run."""
    key: str = ""
    """Idempotency key of the node execution for other systems: the same in every attempt, and after a crash."""


class ToolCall(Caller, frozen=True, kw_only=True):
    tool: Tool
    parameters: Mapping[str, Json]
    """Values converted to the declared types; undeclared names may be included. A file is a file mapping
    (docs/dify-behaviour.md, “File values”), whose content is in ``FileStore.read`` or, for external files, at its
    ``url``."""
    depth: int = 0
    """Number of enclosing workflows called as tools."""


class TextMessage(Struct, frozen=True):
    """A chunk of text, streamed, and appended to the output ``text``."""

    text: str


class LinkMessage(Struct, frozen=True):
    """A URL, appended to the text as a line."""

    url: str


class JsonMessage(Struct, frozen=True):
    """An object or list: an element of the output ``json``."""

    value: Json
    text: str | None = None
    """Source JSON, if any: a caller that measures the value need not serialise it again."""


class VariableMessage(Struct, frozen=True):
    """An additional output of the node."""

    name: str
    value: Json
    stream: bool = False
    """True if the value is a further chunk of a streamed text."""


class BlobMessage(Struct, frozen=True):
    """File content: an element of the output ``files``. The node stores it."""

    content: bytes
    mime_type: str = "application/octet-stream"
    filename: str = ""
    """``""`` to generate one."""


class ImageMessage(Struct, frozen=True):
    """URL of an image, which the server fetches (through the address policy) and stores."""

    url: str


class FileMessage(Struct, frozen=True):
    """A stored file: an element of the output ``files``."""

    file: Mapping[str, Json]


class LogMessage(Struct, frozen=True, kw_only=True):
    """An entry of the tool's log. A tool node ignores it; an agent node shows it."""

    id: str
    label: str
    parent_id: str | None = None
    status: Literal["start", "success", "error"] = "success"
    error: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, Json] = field(default_factory=dict)


ToolMessage: TypeAlias = (
    TextMessage | LinkMessage | JsonMessage | VariableMessage | BlobMessage | ImageMessage | FileMessage | LogMessage
)
Emit: TypeAlias = Callable[[ToolMessage], None]


CITATIONS: Final = "retriever_resources"
"""Variable in which a dataset called as a tool returns the passages it found, in Dify's form."""
ANSWER: Final = "answer"
"""Variable in which the agent of an app without a workflow returns the kept part of its text."""


def tool_name(entry: Mapping[str, Any]) -> ToolName:
    """Parse the tool reference in an entry of an agent's list."""

    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    return ToolName(
        provider_type=text("type") or text("provider_type") or "builtin",
        provider=text("provider_id") or text("provider_name"),
        tool=text("tool_name"),
        provider_name=text("provider_show_name") or text("provider_name"),
        credential_id=text("credential_id"),
        plugin=text("plugin_unique_identifier"),
    )


class ToolNotFound(Exception):
    """The tool is unknown or not configured. The message contains no secret."""

    def __init__(self, what: Phrase, remedy: Phrase | None = None) -> None:
        """``remedy``: The line to add, or the command to run."""
        super().__init__(joined("en", what.text(), "" if remedy is None else remedy.text()))
        self.what: Final = what
        self.remedy: Final = remedy


def plugin_missing(subject: Phrase, plugin: str) -> ToolNotFound:
    """Build the error for a missing plugin.

    Args:
        subject: ``tool.the_tool``, or ``tool.the_strategy``.
        plugin: ``author/name``, with the version the workflow was built with, if known.
    """
    return ToolNotFound(
        Phrase("tool.plugin_missing", {"subject": subject, "plugin": plugin}),
        Phrase("remedy.install_plugin", {"command": f"jikko plugins install {plugin.partition(':')[0]}"}),
    )


class ToolFailure(Exception):
    """A call failed. The message is for the user and contains no secret."""

    def __init__(self, message: str, *, reported: bool = True, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.reported = reported
        """True if the tool reported the failure itself; the node then prefixes the tool's name."""
        self.usage = usage
        """Usage despite the failure."""


class Tools(Protocol):
    """Finds and calls tools. Contract: ``tests/contract/test_tools.py``.

    Each kind of tools is one implementation, and so is their combination, which nodes use. Calls may overlap.
    """

    def icon(self, name: ToolName) -> Json | None:
        """Return the provider's icon for ``node_started``: ``{"content", "background"}`` or a URL; ``None`` without an
        icon or provider. Returns at once, and never raises."""

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """Return a tool without a request, or ``None`` if only its server knows it. ``app_id``: On whose behalf; ``""``
        for anyone. Raises ``ToolNotFound`` if the tool is unknown or not fully configured."""

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        """Return a tool, asking its server if needed.
        Raises ``ToolNotFound``: unknown, not configured, or its server does not respond."""

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        """Call a tool, and wait for the end of its answer. Each kind of tools has its own timeout. Cancelling ends the
        call at once, also on the remote side if possible.

        Args:
            emit: Called with each message, in order. An exception from it ends the call: so the node limits a tool's
                output.

        Returns:
            Usage of models behind the tool, if reported.

        Raises:
            ToolFailure: The tool reported a failure, or there is no usable answer.
        """


class NoTools:
    """Empty ``Tools``."""

    def icon(self, name: ToolName) -> Json | None:
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        raise _nothing(name)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        raise _nothing(name)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        raise ToolFailure("no tools here", reported=False)


def _nothing(name: ToolName) -> ToolNotFound:
    return ToolNotFound(Phrase("tool.no_tools", {"kind": name.provider_type, "provider": name.provider}))
