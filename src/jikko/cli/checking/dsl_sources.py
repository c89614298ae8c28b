"""DSL files given to a command: files, folders, and ``-`` for standard input; facts about their surroundings; and
example commands that start a run, for copying into a shell."""

import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from jikko.apps.dsl_file import dsl_files_below, is_test_file, read_dsl_file, test_files_below
from jikko.apps.environment import Outside
from jikko.apps.versions import check
from jikko.assemble.assembly import Assembly
from jikko.assemble.installation import outside_of as known
from jikko.cli.runs.remote import local_address
from jikko.cluster.data_folder_lock import owner_of
from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.document import CHAT_MODES
from jikko.dsl.load import LoadLimits
from jikko.errors import InvalidSettings, JikkoError, StoreUnavailable
from jikko.nodes.registry import BY_TYPE
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DslSource:
    name: str
    """Name in messages: the path as given."""
    text: bytes = b""
    error: Phrase | None = None
    """Reason why it is unreadable; ``None`` if it was read."""

    def checked(self) -> Any:
        """Compile the file (``Checked``); ``None`` if it is unreadable."""
        return None if self.error else check(self.text, source=self.name, node_classes=BY_TYPE)


def dsl_sources(paths: Iterable[str], *, with_tests: bool = False) -> Iterator[DslSource]:
    """Read the files one after the other; test files only with ``with_tests``. A folder stands for the ``*.yml`` and
    ``*.yaml`` files below it, sorted, without hidden ones."""
    for path in paths:
        if path == "-":
            yield DslSource("-", sys.stdin.buffer.read(LoadLimits().max_bytes + 1))
        elif os.path.isdir(path):
            try:
                tests = test_files_below(Path(path)) if with_tests else []
                found = list(map(str, [*dsl_files_below(Path(path)), *tests]))
            except OSError as error:
                yield DslSource(str(error.filename), error=_unreadable(error))
                continue
            yield from map(_read, found)
            if not found:
                yield DslSource(path, error=Phrase("document.no_files"))
        elif with_tests or not is_test_file(Path(path)):
            yield _read(path)


def checked_sources(paths: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Iterate over file names with their compiled files (``Checked``); ``None``, after an error line: unusable."""
    for source in dsl_sources(paths):
        checked = source.checked()
        usable = checked is not None and checked.document is not None and checked.graph is not None
        if not usable:
            why = source.error.text() if source.error else "cannot be imported; `jikko check` shows why"
            click.echo(printable(f"{source.name}: {why}"), err=True)
        yield source.name, checked if usable else None


async def workflows_of(
    paths: Sequence[str], assembly: Assembly | None, told: Callable[[Any], T]
) -> AsyncIterator[tuple[str, T | None]]:
    """Apply ``told`` to each file (``Checked``), or without files to each imported app (``Workflow``). Yields names and
    results; ``None``, after an error line, for unusable ones."""
    for file, checked in checked_sources(paths):
        yield file, None if checked is None else told(checked)
    if assembly is None or paths:
        return
    for app in await assembly.apps.all():
        try:
            workflow = await assembly.workflows.get(app)
        except JikkoError as error:
            click.echo(harmless(f"{app.name}: {error}"), err=True)
            yield app.name, None
        else:
            yield app.name, told(workflow)


def _read(path: str) -> DslSource:
    try:
        return DslSource(path, read_dsl_file(Path(path)))
    except OSError as error:
        return DslSource(path, error=_unreadable(error))


def _unreadable(error: OSError) -> Phrase:
    return Phrase("document.unreadable", {"reason": error.strerror or str(error)})


def outside_of(settings: Settings) -> Any:
    """Return the values for environment variables, an ``Outside``. Unreadable ones are left out, with a warning."""
    try:
        return known(settings)
    except (InvalidSettings, StoreUnavailable) as error:
        click.echo(f"warning: the values of `jikko apps env` are unknown: {error}", err=True)
        return Outside(settings.env)


def base_of(settings: Settings) -> str:
    """Return the server's base URL: the public one, else that of the data folder's running server, else that of a
    server with these settings."""
    if settings.public_url:
        return str(settings.public_url).rstrip("/")
    owner = owner_of(settings.home)
    serves = owner.address if owner is not None else ""
    # A free port is not known beforehand.
    return local_address(serves or settings.address(settings.port or "PORT"))


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
