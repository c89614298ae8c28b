"""Human Input node: a form that a person fills in while the run waits."""

import base64
import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, as_selector, bad_value, shown
from jikko.events import FormClosed
from jikko.lang.templates import Template, to_text
from jikko.nodes.contract import Context, NodeConfig, NodePaused, Result, Variables
from jikko.values import UNSET, Json, Selector, is_file

INPUT_TYPES: Final = ("paragraph", "select", "file", "file-list")


class FormInput(Struct, frozen=True):
    name: str
    type: str
    """One of ``INPUT_TYPES``."""
    definition: dict[str, Json]
    """For clients: only the fields of its type."""
    selector: Selector
    """Source of its default or options; ``()`` if they are in the file."""

    @classmethod
    def read(cls, data: Fields) -> Self:
        name = data.text("output_variable_name", required=True)
        kind = data.choice("type", INPUT_TYPES, "paragraph")
        # As recorded: fields by type, whatever the content and order of the file. For files: Dify's description of its
        # Service API.
        definition: dict[str, Json] = {"output_variable_name": name, "type": kind, **_DETAILS[kind](data)}
        source = definition.get("default" if kind == "paragraph" else "option_source")
        selector = source["selector"] if isinstance(source, dict) and source["type"] == "variable" else ()
        return cls(name, kind, definition, tuple(selector))

    def shown(self, variables: Variables) -> Json:
        """Return the definition, with options from a variable."""
        if self.type != "select" or not self.selector:
            return self.definition
        value = variables.get(self.selector)
        options = [to_text(item) for item in value] if isinstance(value, list) else []
        return {**self.definition, "option_source": {**self.definition["option_source"], "value": options}}

    def default(self, variables: Variables) -> str | None:
        """Return the default from a variable; ``None`` without one. Constant defaults are in the definition."""
        if self.type != "paragraph" or not self.selector:
            return None
        value = variables.get(self.selector)
        if value is UNSET or value is None:
            return None
        return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else to_text(value)


def _paragraph(data: Fields) -> dict[str, Json]:
    default = data.mapping("default")
    if data.get("default") is None:
        return {"default": None}
    return {"default": {**_source(default), "value": to_text(default.get("value"))}}


def _select(data: Fields) -> dict[str, Json]:
    source = data.mapping("option_source")
    return {"option_source": {**_source(source), "value": _texts(source, "value")}}


def _file(data: Fields) -> dict[str, Json]:
    names = ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")
    return {name: _texts(data, name) for name in names}


def _files(data: Fields) -> dict[str, Json]:
    return {**_file(data), "number_limits": max(0, data.integer("number_limits"))}


def _source(data: Fields) -> dict[str, Json]:
    kind = "variable" if data.get("type") == "variable" else "constant"
    return {"type": kind, "selector": list(as_selector(data.get("selector")) or ())}


def _texts(data: Fields, name: str) -> list[str]:
    items = data.get(name)
    return [to_text(item) for item in items] if isinstance(items, list) else []


_DETAILS: Final[Mapping[str, Callable[[Fields], dict[str, Json]]]] = {
    "paragraph": _paragraph,
    "select": _select,
    "file": _file,
    "file-list": _files,
}
"""Fields of a definition besides its name, by type."""


TIMEOUT_HANDLE = "__timeout"
BUTTON_STYLES = ("primary", "default", "accent", "ghost")
_MAX_ID = 20
_MAX_TITLE = 100
"""Maximum characters."""
_SECONDS = {"hour": 3600.0, "day": 86400.0}
_OUTPUT = re.compile(r"\{\{#\$output\.([^{}]+)#\}\}")
_NO_UUID = uuid.UUID(int=0)


class HumanInput(NodeConfig, frozen=True):
    """Show a form, wait for its submission or timeout, and take a branch. Source: docs/dify-behaviour.md, “Human
    input”."""

    type: ClassVar[str] = "human-input"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = True

    content: Template
    inputs: tuple[FormInput, ...]
    actions: tuple[dict[str, Json], ...]
    seconds: float
    """Time to submit the form."""
    on_web: bool
    """Whether the form can be submitted over the API."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        unit = data.choice("timeout_unit", ("hour", "day"), "hour")
        return cls(
            content=Template.parse(data.text("form_content")),
            inputs=tuple(FormInput.read(entry) for entry in _unique(data, "inputs", "output_variable_name")),
            actions=tuple(_action(entry) for entry in _unique(data, "user_actions", "id")),
            seconds=data.integer("timeout", 36, minimum=1) * _SECONDS[unit],
            on_web=any(
                method.get("type") == "webapp" and method.boolean("enabled", True)
                for method in data.mappings("delivery_methods")
            ),
        )

    async def run(self, ctx: Context) -> Result:
        closed = ctx.form
        if closed is not None:
            return self._result(closed)
        expires_at = ctx.now() + self.seconds
        raise NodePaused(
            {
                "form_content": self.content.to_markdown(ctx.variables),
                "inputs": [field.shown(ctx.variables) for field in self.inputs],
                "actions": list(self.actions),
                "resolved_default_values": self._defaults(ctx.variables),
                "form_token": form_token(ctx.run.run_id) if self.on_web else None,
                "approval_channels": ["console"],
                "expiration_time": int(expires_at),
            },
            source=self.content.source,
            expires_at=expires_at,
        )

    def _defaults(self, variables: Variables) -> dict[str, str]:
        defaults = ((field.name, field.default(variables)) for field in self.inputs)
        return {name: default for name, default in defaults if default is not None}

    def _result(self, closed: FormClosed) -> Result:
        timed_out = closed.action_id is None
        outputs = {
            **closed.data,
            "__action_id": closed.action_id or "",
            "__rendered_content": closed.rendered_content,
            "__action_value": closed.action_text,
        }
        return Result(
            outputs=outputs,
            inputs={name: {"value_type": _type_name(value), "value": value} for name, value in closed.data.items()},
            handle=TIMEOUT_HANDLE if timed_out else closed.action_id or "",
        )


def form_token(run_id: str) -> str:
    """Return an unguessable token of one form, which contains the run's id, so that no token table is needed."""
    raw = _uuid(run_id).bytes + secrets.token_bytes(16)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def run_of_token(token: str) -> str | None:
    """Return the run of a token; ``None`` if it is invalid."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return str(uuid.UUID(bytes=raw[:16])) if len(raw) == 32 else None


def rendered(content: str, values: dict[str, Json]) -> str:
    """Render the submitted form; files become ``[file]`` or ``[n files]``, unknown inputs nothing. Values are not
    templates."""
    return _OUTPUT.sub(lambda found: _shown(values.get(found[1])), content)


def _shown(value: Json) -> str:
    if is_file(value):
        return "[file]"
    if isinstance(value, list):
        return f"[{len(value)} files]"
    return to_text(value)


def _unique(data: Fields, name: str, key: str) -> Iterator[Fields]:
    """Yield the mappings of a list, reporting duplicate keys."""
    seen = set()
    for entry in data.mappings(name):
        value = entry.get(key)
        if isinstance(value, str) and value in seen:
            entry.problem(key, Phrase("document.same_entry", {"value": shown(value)}), Phrase("remedy.own_name"))
        elif isinstance(value, str):
            seen.add(value)
        yield entry


def _action(data: Fields) -> dict[str, Json]:
    action_id, title = data.text("id", required=True), data.text("title")
    if "id" in data.raw and not (action_id.isidentifier() and len(action_id) <= _MAX_ID):
        data.problem("id", bad_value(shown(action_id)), Phrase("remedy.button_id", {"count": _MAX_ID}))
    if len(title) > _MAX_TITLE:
        data.problem(
            "title",
            Phrase("document.characters", {"count": len(title)}),
            Phrase("remedy.at_most", {"count": _MAX_TITLE}),
        )
    return {"id": action_id, "title": title, "button_style": data.choice("button_style", BUTTON_STYLES, "default")}


def _type_name(value: Json) -> str:
    if is_file(value):
        return "file"
    return "array[file]" if isinstance(value, list) else "string"


def _uuid(run_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(run_id)
    except ValueError:
        return _NO_UUID
