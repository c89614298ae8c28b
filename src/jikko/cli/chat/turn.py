"""Turn of a conversation: the question as typed, with files as ``@path``, and the events of its answer."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jikko.cli.command_failure import Failure
from jikko.cli.options import failure
from jikko.client.answers import RunEvent, ServiceError
from jikko.client.async_client import AsyncClient
from jikko.errors import JikkoError
from jikko.exit_codes import of_answer


@dataclass
class TurnOutcome:
    write: Callable[[str], None]
    """Prints a piece of text."""
    wait: Callable[[str], None] = lambda title: None
    """Shows the node that the answer waits for, until there is text."""
    text: str = ""
    """All printed text."""
    conversation_id: str = ""
    message_id: str = ""
    task_id: str = ""
    run_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    """Status of the run; ``""`` while it is active, and if there was none."""
    error: str = ""
    replaced: bool = False
    """Whether printed text was replaced by other text."""
    forms: list[dict[str, Any]] = field(default_factory=list)
    """Forms that the answer waits for."""

    @property
    def has_failed(self) -> bool:
        """Whether there is no answer."""
        return bool(self.error) and self.status != "stopped"

    async def follow(self, events: AsyncIterator[RunEvent]) -> None:
        """Process the events of a stream, to its end."""
        self.status, self.forms = "", []
        async for event in events:
            self._take(event.data)

    def _take(self, event: Mapping[str, Any]) -> None:
        for name in ("conversation_id", "message_id", "task_id"):
            if event.get(name):
                setattr(self, name, str(event[name]))
        data = event.get("data")
        details: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        match event.get("event"):
            case "message" | "agent_message":
                self._show(str(event.get("answer") or ""))
            case "message_replace":
                self._replace(str(event.get("answer") or ""))
            case "message_end":
                self.metadata = dict(event.get("metadata") or {})
            case "workflow_started":
                self.run_id = str(event.get("workflow_run_id") or "")
            case "node_started" if not self.text:
                self.wait(str(details.get("title") or details.get("node_type") or ""))
            case "human_input_required":
                self.forms.append(dict(details))
            case "workflow_paused":
                self.status = "paused"
            case "workflow_finished" if not self._is_synthetic(details):
                self.status = str(details.get("status") or "")
                self.error = str(details.get("error") or "") if self.status in ("failed", "stopped") else ""
            case "error":
                self.status, self.error = "failed", str(event.get("message") or event.get("code") or "failed")

    def _is_synthetic(self, details: Mapping[str, Any]) -> bool:
        """Return whether this is the failed run that follows an answer without a run.

        Source: docs/dify-behaviour.md, “Failures before a stream starts”.
        """
        return bool(self.metadata) and details.get("status") == "failed" and not details.get("total_steps")

    def _show(self, text: str) -> None:
        if text:
            self.text += text
            self.write(text)

    def _replace(self, text: str) -> None:
        if text.startswith(self.text):
            self._show(text[len(self.text) :])
            return
        self.replaced = True
        self.write("\n")
        self.text = ""
        self._show(text)


def refusal(error: JikkoError) -> Failure:
    if not isinstance(error, ServiceError):
        return failure(error)
    hint = "" if error.status else "Name the server with --url or JIKKO_URL."
    return Failure(str(error), exit_code=of_answer(error.status), code=error.code, hint=hint)


class ChatSession:
    """Successive turns with one app."""

    def __init__(self, service: AsyncClient, inputs: Mapping[str, Any], conversation_id: str = "") -> None:
        self._service = service
        self._inputs = inputs
        self.id = conversation_id

    async def ask(self, turn: TurnOutcome, query: str, files: list[dict[str, Any]]) -> None:
        """Ask a question, and stream the answer. A failure is noted in the turn."""
        try:
            await turn.follow(
                self._service.chat_stream(query, conversation_id=self.id, inputs=self._inputs, files=files)
            )
        except JikkoError as error:
            turn.status, turn.error = "failed", str(error)
            raise
        finally:
            self.id = turn.conversation_id or self.id

    async def answer_form(self, turn: TurnOutcome, token: str, inputs: Mapping[str, Any], action: str) -> None:
        """Submit a form, and stream the rest of the answer."""
        await self._service.submit_form(token, inputs, action)
        await turn.follow(self._service.rejoin(turn.run_id))

    async def stop(self, turn: TurnOutcome) -> None:
        if turn.task_id:
            await self._service.stop_chat(turn.task_id)


_WORD: Final = re.compile(r"""(?<!\S)@(?:"([^"]+)"|(\S+))""")
_TAKEN: Final = "\x00"
_GAP: Final = re.compile(rf"[ \t]*{_TAKEN}")
_LIKE_A_PATH: Final = re.compile(r"[/\\~]|\.\w{1,5}$")


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    text: str
    files: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    """Apparent paths of missing files."""


def question_of(line: str) -> TypedQuestion:
    """Parse a line. A word that starts with ``@`` and names a file (quoted, if it has blanks) attaches that file, and
    is removed from the text. Others stay, unless they look like a path. ``@@`` is a literal ``@``."""
    files: list[Path] = []
    missing: list[str] = []

    def taken(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name.startswith("@"):
            return name
        path = Path(name).expanduser()
        try:
            is_file = path.is_file()
        except (OSError, ValueError):
            is_file = False
        if is_file:
            files.append(path)
            return _TAKEN
        if match[1] or _LIKE_A_PATH.search(name):
            missing.append(name)
        return match[0]

    text = _WORD.sub(taken, line)
    return TypedQuestion(_GAP.sub("", text).strip() if files else text, tuple(files), tuple(missing))


def paths_like(start: str, most: int = 200) -> list[str]:
    """Return paths with a prefix, for completion; folders end in a slash."""
    folder, _, name = start.rpartition("/")
    try:
        entries = sorted(Path(folder or ("/" if start.startswith("/") else ".")).expanduser().iterdir())
    except OSError:
        return []
    found = [entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith("."))]
    lead = f"{folder}/" if folder or start.startswith("/") else ""
    return [f"{lead}{entry.name}{'/' if entry.is_dir() else ''}" for entry in found[:most]]
