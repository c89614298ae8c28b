"""The operations of sessions, tokens and the system."""

from typing import Final

from jikko.http.console.entry import tokens
from jikko.http.console.entry.session import (
    CurrentSession,
    read_session,
)
from jikko.http.console.tables.entry import NOTHING, OPERATORS, Entry

SYSTEM: Final = (
    Entry("GET", "session", read_session, "Who has signed in", {200: CurrentSession}, {}),
    Entry("GET", "tokens", tokens.list_tokens, "All tokens", {200: tokens.Tokens}, OPERATORS),
    Entry(
        "POST", "tokens", tokens.make_token, "Make a token", {201: tokens.Token}, {**OPERATORS, "body": tokens.NewToken}
    ),
    Entry(
        "DELETE", "tokens/{token_id}", tokens.revoke_token, "Revoke a token", NOTHING, {**OPERATORS, "errors": (404,)}
    ),
)
