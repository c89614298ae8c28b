"""Tools, as nodes call them.

A workflow only names a tool; where it is and what it takes is known to the installation: tools that Jikko has itself,
those of the tools file, those of plugins. Source: docs/dify-behaviour.md, “Tools”.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase, joined
from jikko.events import Usage
from jikko.values import Json

ParameterForm: TypeAlias = Literal["llm", "form"]
"""``llm``: a node fills it in from ``tool_parameters``. ``form``: set up beforehand, in ``tool_configurations``."""


class ToolName(Struct, frozen=True, kw_only=True):
    """How a node names the tool that it calls."""

    provider_type: str
    """``builtin``, ``plugin``, ``api``, ``workflow``, ``mcp``, or anything else that a file may hold."""
    provider: str
    """``provider_id``: the name of a built-in or plugin provider (``time``, ``langgenius/tavily/tavily``), the id of an
    entry of the tools file, the identifier of an MCP server."""
    tool: str
    """``tool_name``."""
    provider_name: str = ""
    """For messages only."""
    credential_id: str = ""
    """Which of several sets of credentials is meant; ``""`` for the usual one."""
    plugin: str = ""
    """``plugin_unique_identifier``, as the file has it: ``author/name:version@checksum``."""

    def __str__(self) -> str:
        return f"{self.provider_name or self.provider}/{self.tool}"


class ToolParameter(Struct, frozen=True, kw_only=True):
    """One parameter of a tool."""

    name: str
    type: str = "string"
    """Decides how values are converted: ``string``, ``select``, ``secret-input``, ``number``, ``boolean``, ``array``,
    ``object``, ``file``, ``files``, ``system-files``. Values of other types are handed on as they are."""
    form: ParameterForm = "llm"
    required: bool = False
    default: Json = None
    options: tuple[str, ...] = ()
    """Of a ``select``: the values that it may have."""
    description: str = ""
    schema: Mapping[str, Json] | None = None
    """Of an ``array`` or ``object``: its JSON Schema, as the tool's server says it; for models that fill it in."""


class Tool(Struct, frozen=True, kw_only=True):
    """What is known of a tool before it is called."""

    name: ToolName
    parameters: tuple[ToolParameter, ...] = ()
    description: str = ""
    plugin: str | None = None
    """The identifier of the plugin that has it, as ``tool_info`` of the record tells."""
    open_settings: str = ""
    """How the names of further settings begin, which it takes though they are not among its parameters; ``""``: none.
    """

    def with_settings(self, names: Iterable[str]) -> "Tool":
        """The tool with those of these settings among its parameters that it takes."""
        taken = [name for name in names if self.open_settings and name.startswith(self.open_settings)]
        if not taken:
            return self
        return replace(self, parameters=(*self.parameters, *(ToolParameter(name=name, form="form") for name in taken)))

    def parameter(self, name: str) -> ToolParameter | None:
        """The parameter of that name."""
        # Every call asks for each value that it gives: a generator costs more than to look.
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None


class ToolCall(Struct, frozen=True, kw_only=True):
    """One call of a tool."""

    tool: Tool
    parameters: Mapping[str, Json]
    """Converted to the declared types. Names that the tool does not declare may be among them. A file is a file mapping
    (docs/dify-behaviour.md, “File values”), whose content ``FileStore.read`` has or, of one from elsewhere, its
    ``url``."""
    app_id: str = ""
    """The app on whose behalf it is called: credentials, files and turns go by it."""
    run_id: str = ""
    end_user_id: str = ""
    user: str = ""
    """The ``user`` of the request that started the run."""
    key: str = ""
    """Names the execution of the node towards other systems: the same in every attempt, and after a crash."""
    depth: int = 0
    """How many workflows called as tools this one is within."""


class TextMessage(Struct, frozen=True):
    """A piece of text: shown as it comes, and appended to the output ``text``."""

    text: str


class LinkMessage(Struct, frozen=True):
    """An address: appended to the text as a line."""

    url: str


class JsonMessage(Struct, frozen=True):
    """An object or a list: an element of the output ``json``."""

    value: Json
    text: str | None = None
    """The JSON that it was read from, if it was: a caller that measures the value need not write it again."""


class VariableMessage(Struct, frozen=True):
    """An output of the node's own."""

    name: str
    value: Json
    stream: bool = False
    """Whether the value is a further piece of a text, to be shown as it comes."""


class BlobMessage(Struct, frozen=True):
    """The content of a file: an element of the output ``files``. The node stores it."""

    content: bytes
    mime_type: str = "application/octet-stream"
    filename: str = ""
    """``""``: a name is made up."""


class ImageMessage(Struct, frozen=True):
    """The address of a picture, which the server fetches (through the address policy) and stores."""

    url: str


class FileMessage(Struct, frozen=True):
    """A file that is stored already: an element of the output ``files``."""

    file: Mapping[str, Json]
    """Its file mapping."""


class LogMessage(Struct, frozen=True, kw_only=True):
    """An entry of the tool's own log. A tool node leaves it out; an agent node shows it."""

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
"""The variable in which a dataset that is called as a tool hands on which passages it found, in Dify's form."""
ANSWER: Final = "answer"
"""The variable in which the agent of an app without a workflow hands on what is kept of all that it said."""


def tool_name(entry: Mapping[str, Any]) -> ToolName:
    """How an entry of an agent's list names its tool."""

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
    """There is no such tool here, or it is not set up. The message holds no secret."""

    def __init__(self, what: Phrase, remedy: Phrase | None = None) -> None:
        """``remedy``: the line to add, the command to run."""
        super().__init__(joined("en", what.text(), "" if remedy is None else remedy.text()))
        self.what: Final = what
        self.remedy: Final = remedy


def plugin_missing(subject: Phrase, plugin: str) -> ToolNotFound:
    """Why something of a plugin cannot be had.

    Args:
        subject: ``tool.the_tool``, or ``tool.the_strategy``.
        plugin: ``author/name``, with the version that the workflow was made with if that is known.
    """
    return ToolNotFound(
        Phrase("tool.plugin_missing", {"subject": subject, "plugin": plugin}),
        Phrase("remedy.install_plugin", {"command": f"jikko plugins install {plugin.partition(':')[0]}"}),
    )


class ToolFailure(Exception):
    """A call failed. The message is for the user to read and holds no secret."""

    def __init__(self, message: str, *, reported: bool = True, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.reported = reported
        """Whether it is what the tool says of itself; the node then puts the tool's name in front."""
        self.usage = usage
        """What was used all the same."""


class Tools(Protocol):
    """Finds and calls tools. What an implementation must do is in ``tests/contract/test_tools.py``.

    Each kind of tools is one implementation, and so is the whole of them, which nodes have. Calls may overlap.
    """

    def icon(self, name: ToolName) -> Json | None:
        """What ``node_started`` shows of the provider: ``{"content", "background"}`` or an address; ``None`` if it has
        no icon or is not known. Answered at once, and never an error."""

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """A tool, as far as that is known without asking anybody; ``None`` if only its server can tell. ``app_id``: for
        whom; ``""`` for anybody. Raises ``ToolNotFound``: there is no such tool, or something of it is not set up."""

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        """A tool, asking its server if need be.
        Raises ``ToolNotFound``: there is no such tool, it is not set up, or its server does not answer."""

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        """Call a tool, and wait until it has said everything. Ends by itself: each kind has a deadline of its own.
        Cancelling ends the call at once, also at the other side as far as that can be.

        Args:
            emit: Called with each message as it comes, in order. What it raises ends the call: so the node bounds how
                much a tool may say.

        Returns:
            What models behind the tool used, if it told.

        Raises:
            ToolFailure: The tool said that it failed, or there is no usable answer.
        """

    async def close(self) -> None:
        """Close connections and end processes. May be called twice."""


class NoTools:
    """``Tools`` of a place where there are none."""

    def icon(self, name: ToolName) -> Json | None:
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        raise _nothing(name)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        raise _nothing(name)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        raise ToolFailure("there are no tools here", reported=False)

    async def close(self) -> None:
        """See ``Tools.close``."""


def _nothing(name: ToolName) -> ToolNotFound:
    return ToolNotFound(Phrase("tool.no_tools", {"kind": name.provider_type, "provider": name.provider}))
