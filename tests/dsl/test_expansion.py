"""``${NAME}`` in operator files: expanded from the environment, and never quoted in messages."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from jikko.dsl.operator_file import expanded
from jikko.errors import InvalidSettings
from jikko.plugins.plugins_file import parse_plugins_file
from jikko.providers.providers_file import parse_providers
from jikko.tools.tools_file import parse_tools_file

ENVIRONMENT = {"KEY": "sk-📕 7f3a: {", "NUMBER": "-98431"}
SPOILT = ("${KEY}", "${NUMBER}", "http://${KEY} /", "http://a:${NUMBER}", "~${KEY}/x")

MODEL = {
    **{"name": "x", "mode": "chat", "tools": True, "vision": True, "context_size": 3, "batch": 1, "dimensions": 3},
    "price": {"prompt": 1, "completion": 1, "currency": "USD"},
}
LIMITS = {"max_concurrent": 1, "requests_per_minute": 1, "timeout": 1, "connect_timeout": 1, "max_answer": 3}
PROVIDERS = {
    "providers": {
        "openai": {
            **{"type": "openai", "base_url": "http://a/v1", "api_key": "x", "headers": {"A": "b"}},
            **{"models": {"m": MODEL}, **LIMITS},
        },
        "local": {"type": "llama_cpp", "path": "/x", "pooling": "mean"},
        "azure": {"type": "azure", "base_url": "http://a", "api_version": "3"},
    },
    "extensions": {"e": {"url": "http://a", "api_key": "k"}},
}
PARAMETER = {"name": "q", "in": "query", "required": True, "schema": {"$ref": "#/components/schemas/Q"}}
SCHEMA = {
    "openapi": "3.0.3",
    "servers": [{"url": "http://a", "variables": {"v": {"default": "x"}}}],
    "paths": {"/x": {"get": {"operationId": "x", "summary": "s", "parameters": [PARAMETER]}}},
    "components": {"schemas": {"Q": {"type": "string", "default": "x"}}},
}
OAUTH = {"token_url": "http://a", "client_id": "c", "client_secret": "d", "secret_in": "body", "params": {"a": "b"}}
TOOLS = {
    "tools": {
        "a": {
            **{"type": "api", "name": "n", "schema": yaml.safe_dump(SCHEMA), "icon": {"content": "x"}},
            "auth": {"type": "api_key_header", "header": "A", "value": "v", "prefix": "bearer"},
            "apps": {"q": {"auth": {"type": "none"}}},
        },
        "w": {"type": "workflow", "app": "x", "parameters": [{"name": "a", "form": "llm"}], "label": "l"},
        "m": {
            **{"type": "mcp", "url": "http://a/", "headers": {"X": "y"}, "transport": "http", "timeout": 3},
            **{"sse_read_timeout": 3, "oauth": OAUTH, "known_tools": [{"name": "x", "inputSchema": {}}]},
        },
        "c": {"type": "mcp", "command": "x", "args": ["a"], "env": {"A": "b"}},
    }
}
PLUGINS = {"plugins": {"a/b": {"credentials": {"x": "y"}, "accounts": {"q": {"x": "y"}}, "network": "gate"}}}


def in_schema(text: str) -> None:
    parse_tools_file(yaml.safe_dump({"tools": {"a": {"type": "api", "schema": text}}}), ENVIRONMENT)


FILES: dict[str, tuple[Mapping[str, Any], Callable[[str], object]]] = {
    "providers": (PROVIDERS, lambda text: parse_providers(text, ENVIRONMENT)),
    "tools": (TOOLS, lambda text: parse_tools_file(text, ENVIRONMENT)),
    "plugins": (PLUGINS, lambda text: parse_plugins_file(text.encode(), ENVIRONMENT)),
    "a schema": (SCHEMA, in_schema),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside of another."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*path, key))


def with_text(content: Any, path: tuple[Any, ...], text: str) -> str:
    """A file with a text at a place."""
    changed = copy.deepcopy(content)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = text
    return yaml.safe_dump(changed, allow_unicode=True)


def refusal(parse: Callable[[str], object], text: str) -> str:
    """What is wrong with a file; ``""`` for nothing."""
    try:
        parse(text)
    except InvalidSettings as error:
        return str(error)
    return ""


@pytest.mark.parametrize("file", FILES)
def test_the_files_are_right_as_they_are(file: str) -> None:
    content, parse = FILES[file]

    parse(yaml.safe_dump(content))


@pytest.mark.parametrize("file", FILES)
def test_no_message_quotes_what_the_environment_has(file: str) -> None:
    content, parse = FILES[file]
    said = [refusal(parse, with_text(content, path, text)) for path in places(content) for text in SPOILT]

    assert len(set(said)) > 10
    assert [message for message in said if "7f3a" in message or "98431" in message] == []


def test_a_message_quotes_what_the_file_has() -> None:
    with pytest.raises(InvalidSettings, match=r"line 1: providers.openai.type: is '\$\{KEY\}' \(expected openai or"):
        parse_providers('{"providers": {"openai": {"type": "${KEY}"}}}', ENVIRONMENT)


def test_all_texts_are_expanded_and_keys_are_not() -> None:
    unset: list[str] = []
    value = {"${KEY}": ["a ${KEY} ${NONE}", 1, None, {"x": "$KEY ${1}"}]}

    assert expanded(value, ENVIRONMENT, unset) == {"${KEY}": ["a sk-📕 7f3a: { ", 1, None, {"x": "$KEY ${1}"}]}
    assert unset == ["NONE"]


def test_a_value_in_a_schema_cannot_change_its_structure() -> None:
    schema = (
        '{"openapi": "3.0.3", "servers": [{"url": "http://${HOST}"}], "paths": {"/x": {"get": {"operationId": "x"}}}}'
    )
    file = yaml.safe_dump({"tools": {"a": {"type": "api", "schema": schema}}})
    found = parse_tools_file(file, {"HOST": 'a"}], "paths": {}, "x": [{"'}).providers["a"]

    assert getattr(found, "operations")["x"].url == 'http://a"}], "paths": {}, "x": [{"/x'  # noqa: B009
