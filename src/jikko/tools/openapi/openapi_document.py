"""OpenAPI documents as tools, one per operation. Source: docs/dify-behaviour.md, “OpenAPI tools”.

References are followed one level, within the document only: nothing is fetched, and recursion is harmless.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import Fields, bad_value, expected, problem_at
from jikko.dsl.operator_file import expanded
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.ports.tools import ToolParameter
from jikko.values import Json

METHODS: Final = ("get", "post", "put", "delete", "patch", "head", "options", "trace")
PLACES: Final = ("path", "query", "header", "cookie")
_LIMITS: Final = LoadLimits(max_bytes=4 << 20, max_values=500_000)
_MAX_OPERATIONS: Final = 2000
MAX_URL: Final = 65_536
"""Maximum length of a URL: values of server variables may contain further variables, and so grow exponentially."""
_MAX_DESCRIPTION: Final = 1000
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NUMBERS: Final = ("integer", "number")


class PlacedParameter(Struct, frozen=True):
    name: str
    place: str
    """``path``, ``query``, ``header`` or ``cookie``."""
    required: bool
    default: Json
    """``None`` if there is none."""
    allow_reserved: bool = False
    """Whether a path value may have several segments."""


class RequestBody(Struct, frozen=True):
    """Request body: an object, in the document's first media type."""

    media_type: str
    properties: Mapping[str, Mapping[str, Any]]
    """Schemas of its properties, in order."""
    required: frozenset[str]


class RemoteOperation(Struct, frozen=True):
    name: str
    method: str
    """In lower case."""
    url: str
    """With ``{name}`` for parameters."""
    description: str
    placed: tuple[PlacedParameter, ...]
    body: RequestBody | None
    parameters: tuple[ToolParameter, ...]
    """Parameters for nodes."""


def read_document(
    text: str, where: str, problems: list[Diagnostic], environment: Mapping[str, str], unset: list[str]
) -> dict[str, RemoteOperation]:
    """Parse a document in YAML or JSON into operations by name; of equal names the first.

    Args:
        where: Path of the text in its file.
        problems, unset: Collect problems, and unset names of ``environment`` (``${NAME}``).
    """
    if len(text) > _LIMITS.max_bytes:
        problems.append(problem_at(where, Phrase("document.too_many_characters", {"most": _LIMITS.max_bytes})))
        return {}
    try:
        raw = parse(text, _LIMITS)
    except YamlProblem as problem:
        what = problem.what
        if problem.line:
            what = Phrase("document.of_line", {"text": what, "line": problem.line})
        problems.append(problem_at(where, what, problem.hint))
        return {}
    written = raw if isinstance(raw, dict) else {}
    fields = Fields(where, expanded(written, environment, unset), problems, written)
    if "paths" not in fields.raw:
        hint = Phrase("remedy.not_manifest" if "api" in fields.raw else "remedy.openapi")
        fields.problem("", Phrase("document.no_openapi"), hint)
        return {}
    found: dict[str, RemoteOperation] = {}
    for operation in _Reader(fields).operations():
        found.setdefault(operation.name, operation)
        if len(found) > _MAX_OPERATIONS:
            fields.problem("paths", Phrase("document.too_many_operations", {"most": _MAX_OPERATIONS}))
            break
    if not found and not problems:
        fields.problem("paths", Phrase("document.no_operations"))
    return found


_SERVERS: Final = expected("servers: [{url: https://…}]")


class _Reader:
    def __init__(self, fields: Fields) -> None:
        self._root = fields
        self._server = self._address()

    def operations(self) -> Iterator[RemoteOperation]:
        paths = self._root.mapping("paths")
        for path in paths.raw:
            item = paths.mapping(path)
            for method in METHODS:
                if isinstance(item.raw.get(method), Mapping):
                    yield self._operation(str(path), method, item.mapping(method))

    def _address(self) -> str:
        server = next(self._root.mappings("servers"), None)
        url = server.text("url") if server is not None else ""
        if server is None or not url:
            hint = Phrase("remedy.swagger") if "swagger" in self._root.raw else _SERVERS
            self._root.problem("servers", Phrase("document.no_address"), hint)
            return ""
        variables = server.mapping("variables")
        for name in variables.raw:
            filled = filled_in(url, str(name), variables.mapping(name).text("default"))
            if filled is None:
                server.problem("url", Phrase("document.long_address", {"most": MAX_URL}))
                return ""
            url = filled
        if not url.startswith(("http://", "https://")):
            server.problem("url", bad_value(server.shown("url")), Phrase("remedy.web_address"))
        return url

    def _operation(self, path: str, method: str, data: Fields) -> RemoteOperation:
        placed: list[PlacedParameter] = []
        parameters: list[ToolParameter] = []
        for entry in data.mappings("parameters"):
            parameter = self._resolved(entry)
            # Older documents have the schema inline.
            schema = parameter.mapping("schema").raw or parameter.raw
            name, place = parameter.text("name", required=True), parameter.choice("in", PLACES, "query")
            required, default = parameter.boolean("required"), schema.get("default")
            placed.append(PlacedParameter(name, place, required, default, parameter.boolean("allowReserved")))
            description = parameter.text("description")
            parameters.append(_parameter(name, schema, required=required, default=default, description=description))
        body = self._body(data.mapping("requestBody"))
        if body is not None:
            parameters += (
                _parameter(
                    name,
                    schema,
                    required=name in body.required,
                    default=schema.get("default"),
                    description=str(schema.get("description") or ""),
                )
                for name, schema in body.properties.items()
            )
        return RemoteOperation(
            name=data.text("operationId") or f"{_NOT_IN_NAMES.sub('', path)}_{method}",
            method=method,
            url=self._server + path,
            description=(data.text("summary") or data.text("description"))[:_MAX_DESCRIPTION],
            placed=tuple(placed),
            body=body,
            parameters=tuple(parameters),
        )

    def _body(self, data: Fields) -> RequestBody | None:
        content = data.mapping("content")
        media_type = next(iter(content.raw), None)
        if media_type is None:
            return None
        schema = self._resolved(content.mapping(media_type).mapping("schema"))
        properties = schema.mapping("properties")
        return RequestBody(
            media_type=str(media_type),
            properties={str(name): properties.mapping(name).raw for name in properties.raw},
            required=frozenset(map(str, schema.items("required"))),
        )

    def _resolved(self, fields: Fields) -> Fields:
        """Resolve a reference; other mappings are unchanged."""
        reference = fields.raw.get("$ref")
        if not isinstance(reference, str):
            return fields
        if not reference.startswith("#/"):
            what = Phrase("document.reference_elsewhere", {"value": fields.shown("$ref")})
            fields.problem("$ref", what, Phrase("remedy.write_out"))
            return Fields(fields.where, {}, fields.problems)
        found = self._root
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found.raw.get(key), Mapping):
                fields.problem("$ref", Phrase("document.reference_to_nothing", {"value": fields.shown("$ref")}))
                return Fields(fields.where, {}, fields.problems)
            found = found.mapping(key)
        return found.standing_at(fields.where)


def filled_in(url: str, name: str, text: str) -> str | None:
    """Replace each ``{name}`` in a URL; ``None`` if it becomes too long."""
    placeholder = f"{{{name}}}"
    if len(url) + url.count(placeholder) * len(text) > MAX_URL:
        return None
    return url.replace(placeholder, text)


def _parameter(
    name: str, schema: Mapping[str, Any], *, required: bool, default: Json, description: str
) -> ToolParameter:
    return ToolParameter(
        name=name, type=_type(schema), required=required, default=default, description=description[:_MAX_DESCRIPTION]
    )


def _type(schema: Mapping[str, Any]) -> str:
    """Return the type for conversion. Objects and undeclared types are strings: a quirk of Dify."""
    kind, items = schema.get("type"), schema.get("items")
    if schema.get("format") == "binary":
        return "file"
    if kind == "array":
        is_files = isinstance(items, Mapping) and items.get("format") == "binary"
        return "files" if is_files else "array"
    return "number" if kind in _NUMBERS else "boolean" if kind == "boolean" else "string"
