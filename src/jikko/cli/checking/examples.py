"""Example commands that start a run, for copying into a shell."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

from jikko.dsl.document import CHAT_MODES

QUESTION: Final = "Hello!"
"""Question for chat apps."""


def command_line(file: str, inputs: Mapping[str, Any], *, mode: str = "workflow") -> str:
    """Return ``jikko run`` with these inputs; for chat apps ``jikko chat``."""
    begin = "jikko chat" if mode in CHAT_MODES else "jikko run"
    pairs = [f"-i {shlex.quote(f'{name}={text}')}" for name, value in inputs.items() for text in _given(value)]
    return " ".join([begin, as_word(file), *pairs])


def curl_line(base: str, inputs: Mapping[str, Any], *, mode: str = "workflow") -> str:
    """Return the same as an API call; the key is in the variable ``KEY``. A chat app is asked a question. ``base``:
    Base URL of the server, such as ``http://127.0.0.1:8000``."""
    is_chat = mode in CHAT_MODES
    asked = {"query": QUESTION} if is_chat else {}
    how = "streaming" if mode == "agent-chat" else "blocking"
    body = json.dumps({**asked, "inputs": inputs, "user": "me", "response_mode": how}, ensure_ascii=False)
    path = "chat-messages" if is_chat else "workflows/run" if mode == "workflow" else "completion-messages"
    return (
        f'curl {shlex.quote(f"{base}/v1/{path}")} -H "Authorization: Bearer $KEY" '
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def as_word(file: str) -> str:
    """Quote a path for a shell; a leading dash, except for standard input, would make it an option."""
    return shlex.quote(f"./{file}" if file.startswith("-") and file != "-" else file)


def _given(value: Any) -> list[str]:
    """Return a value for ``-i``, one for each file of a list."""
    files = value if isinstance(value, list) else [value]
    given = [_file(file) for file in files]
    return [text for text in given if text] if files and all(given) else [_written(value)]


def _file(value: Any) -> str:
    """Return ``@PATH`` for a file to upload, or a remote file's address; empty for other values."""
    if not isinstance(value, dict):
        return ""
    return {"local_file": "@PATH", "remote_url": str(value.get("url", ""))}.get(value.get("transfer_method", ""), "")


def _written(value: Any) -> str:
    """Return another value, with a leading ``@`` doubled."""
    if isinstance(value, str):
        return f"@{value}" if value.startswith("@") else value
    return json.dumps(value, ensure_ascii=False)
