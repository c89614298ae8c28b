"""What an entry of the tools file says of how its server is told who asks."""

from dataclasses import replace
from typing import Any, Final, cast

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.tools.config import NO_AUTH, Auth, OAuthClient

_AUTH_KEYS: Final = ("type", "header", "param", "value", "prefix")
_OAUTH_KEYS: Final = ("token_url", "client_id", "client_secret", "scope", "params", "secret_in")


def api_auth(fields: Fields, is_shared: bool = True) -> Auth | None:
    """``auth`` of an API; ``None`` if the entry is only for the apps that it names."""
    if not is_shared:
        return None
    kind = fields.choice("type", ("none", "api_key_header", "api_key_query"), "none")
    fields.check_names(_AUTH_KEYS)
    if kind == "none":
        return NO_AUTH
    value = fields.text("value")
    if fields.raw.get("value") is None:
        fields.problem("value", Phrase("document.missing"), Phrase("remedy.key", {"key": '"${NAME}"'}))
    if kind == "api_key_query":
        return Auth(type="api_key_query", name=fields.text("param") or "key", value=value)
    name = fields.text("header") or "Authorization"
    if not name.isascii() or not value.isascii() or any(character in value for character in "\r\n\0"):
        fields.problem("value", Phrase("document.no_header"))
    prefix = fields.choice("prefix", ("custom", "bearer", "basic"), "custom")
    return Auth(type="api_key_header", name=name, value=value, prefix=cast(Any, prefix))


def own_auth(kind: str, fields: Fields) -> Auth:
    """What a single app shows, below ``apps``."""
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
    """``headers`` and ``oauth`` of an MCP server."""
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
