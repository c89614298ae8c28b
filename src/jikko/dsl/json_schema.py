"""Validation against untrusted JSON Schemas: no remote references, and patterns in linear time."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from jikko.values import Json

Draft = Literal["draft 7", "draft 2020-12"]
_NOT_THERE: Final = "is not in the schema, and nothing is fetched"
_MAX_MESSAGE: Final = 300


class BadSchema(Exception):
    """The schema is unusable. The message says why: ``it is nested too deeply``."""


class SchemaViolation(NamedTuple):
    where: str
    """Path of the violation, such as ``items.0.name``; ``""`` for the value itself."""
    message: str
    """At most 300 characters: the library quotes the whole value."""


class JsonSchema:
    """Schema prepared for validation.

    ``unevaluatedProperties`` is not checked. Patterns are matched in time linear in the text, as by Rust's ``regex``:
    without look-around and back references.
    """

    def __init__(self, schema: Mapping[str, Any], draft: Draft) -> None:
        import jsonschema
        import referencing

        base = {"draft 7": jsonschema.Draft7Validator, "draft 2020-12": jsonschema.Draft202012Validator}[draft]
        # In the library, patterns take exponential time, and `uniqueItems` quadratic.
        extend: Any = jsonschema.validators.extend
        validator = extend(base, _keywords(cache(_matcher)))
        try:
            # An empty registry: the default one would fetch referenced schemas.
            self._validator = validator(_without_dialects(schema), registry=referencing.Registry())
        except RecursionError:
            raise BadSchema("it is nested too deeply") from None
        except AttributeError as error:
            # Its $id is not a text.
            raise BadSchema(f"it is not a JSON schema ({type(error).__name__})") from None

    def violation(self, value: Json) -> SchemaViolation | None:
        """Return the first violation, if any. Raises ``BadSchema`` if the schema is unusable."""
        from referencing.exceptions import Unresolvable

        try:
            found = next(self._validator.iter_errors(value), None)
        except Unresolvable as error:
            raise BadSchema(f"its $ref {_short(error.ref)} {_NOT_THERE}") from None
        except RecursionError:
            raise BadSchema("it or the value is nested too deeply, or its $ref goes round in a circle") from None
        except BadSchema:
            raise
        except Exception as error:
            # A reference may point at something that is not a schema.
            raise BadSchema(f"it is not a JSON schema ({type(error).__name__})") from None
        return found and SchemaViolation(".".join(map(str, found.absolute_path)), found.message[:_MAX_MESSAGE])


def doubts(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield possible failures of the schema: dangling references, and unsupported patterns."""
    import referencing
    from referencing.jsonschema import DRAFT7

    resolver = referencing.Registry().resolver_with_root(DRAFT7.create_resource(schema))
    nodes = list(_mappings(schema))
    has_ids = any(isinstance(node.get("$id"), str) for node in nodes)
    for node in nodes:
        reference = node.get("$ref")
        # With ids it depends on the reference's position.
        if isinstance(reference, str) and not has_ids:
            try:
                resolver.lookup(reference)
            except Exception:
                # Among others AttributeError, if it leads through a non-schema.
                yield f"has the $ref {_short(reference)}, which {_NOT_THERE}"
        patterns = node.get("patternProperties")
        for pattern in (node.get("pattern"), *(patterns if isinstance(patterns, Mapping) else ())):
            if isinstance(pattern, str):
                try:
                    _matcher(pattern)
                except BadSchema as error:
                    yield (
                        str(error).replace("its pattern", "has the pattern", 1).replace(" cannot", ", which cannot", 1)
                    )


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            yield value
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _without_dialects(schema: Any) -> Any:
    """Remove ``$schema``: a part with its own dialect would be validated by that one's rules."""
    if isinstance(schema, list):
        return [_without_dialects(item) for item in schema]
    if isinstance(schema, Mapping):
        return {
            key: _without_dialects(item)
            for key, item in schema.items()
            if key != "$schema" or not isinstance(item, str)
        }
    return schema


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Compile a pattern. Raises ``BadSchema``: it is invalid, or not linear."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True)).isinstance_python
    except (SchemaError, ValueError):
        raise BadSchema(
            f"its pattern {_short(pattern)} cannot be matched: it is wrong, too large, or has look-around or back "
            "references"
        ) from None


def _keywords(matcher: Callable[[str], Callable[[str], bool]]) -> dict[str, Callable[..., Iterator[Any]]]:
    """Return the replaced keyword validators, for ``jsonschema``."""
    from jsonschema import ValidationError

    def pattern(validator: Any, wanted: str, value: Json, _: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and not matcher(wanted)(value):
            yield ValidationError(f"{value!r} does not match {wanted!r}")

    def pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Json, _: Any) -> Iterator[Any]:
        if validator.is_type(value, "object"):
            for wanted, schema in patterns.items():
                for name in filter(matcher(wanted), value):
                    yield from validator.descend(value[name], schema, path=name, schema_path=wanted)

    def additional_properties(validator: Any, extra: Any, value: Json, schema: Any) -> Iterator[Any]:
        if not validator.is_type(value, "object"):
            return
        matches = [matcher(wanted) for wanted in schema.get("patternProperties", ())]
        known = schema.get("properties", {})
        others = [name for name in value if name not in known and not any(match(name) for match in matches)]
        if isinstance(extra, Mapping):
            for name in others:
                yield from validator.descend(value[name], extra, path=name)
        elif not extra and others:
            names = ", ".join(map(repr, others))
            yield ValidationError(
                f"Additional properties are not allowed ({names} {'was' if len(others) == 1 else 'were'} unexpected)"
            )

    def unique_items(validator: Any, wanted: bool, value: Json, _: Any) -> Iterator[Any]:
        # The library compares all pairs of objects.
        if wanted and validator.is_type(value, "array") and len(set(map(_canonical, value))) < len(value):
            yield ValidationError(f"{value!r} has non-unique elements")

    def unchecked(*_: Any) -> Iterator[Any]:
        # It would match patterns in the library's own way.
        return iter(())

    return {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional_properties,
        "uniqueItems": unique_items,
        "unevaluatedProperties": unchecked,
    }


def _canonical(value: Json) -> str:
    """Return a text that is equal for values equal in JSON Schema: ``1`` and ``1.0``, but not ``true``."""
    return json.dumps(_without_fractions(value), sort_keys=True)


def _without_fractions(value: Json) -> Json:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_without_fractions(item) for item in value]
        case dict():
            return {key: _without_fractions(item) for key, item in value.items()}
        case _:
            return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
