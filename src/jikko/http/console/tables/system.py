"""The operations of sessions, tokens and the system."""

from typing import Final

from jikko.http.console import system
from jikko.http.console.entry import tokens
from jikko.http.console.entry.session import (
    CurrentSession,
    read_session,
)
from jikko.http.console.tables.entry import NOTHING, OPERATORS, Entry

SYSTEM: Final = (
    Entry("GET", "overview", system.overview, "What goes on", {200: system.Overview}, {"errors": (503,)}),
    Entry("GET", "system", system.system, "The whole server", {200: system.SystemInfo}, {"errors": (503,)}),
    Entry(
        "POST",
        "system/check",
        system.check_system,
        "Try the sandbox or the database",
        {200: system.Checked},
        {**OPERATORS, "body": system.SystemCheck, "errors": (503,)},
    ),
    Entry(
        "POST",
        "providers/{name}/test",
        system.test_provider,
        "Try a provider",
        {200: system.ProviderTried},
        {**OPERATORS, "errors": (404, 503)},
    ),
    Entry("GET", "tools", system.list_tools, "Providers of tools", {200: system.ToolEntries}, {}),
    Entry("GET", "plugins", system.list_plugins, "Plugins", {200: system.PluginEntries}, {}),
    Entry("GET", "session", read_session, "Who has signed in", {200: CurrentSession}, {}),
    Entry("GET", "tokens", tokens.list_tokens, "All tokens", {200: tokens.Tokens}, OPERATORS),
    Entry(
        "POST", "tokens", tokens.make_token, "Make a token", {201: tokens.Token}, {**OPERATORS, "body": tokens.NewToken}
    ),
    Entry(
        "DELETE", "tokens/{token_id}", tokens.revoke_token, "Revoke a token", NOTHING, {**OPERATORS, "errors": (404,)}
    ),
)
