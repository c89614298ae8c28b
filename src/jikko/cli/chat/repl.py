"""Read-eval-print loop of a chat: its opening, and turns with a user at a terminal, or with lines of a pipe."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

import click
from msgspec import Struct

from jikko.cli.chat.turn import ChatSession, TurnOutcome, TypedQuestion, paths_like, question_of, refusal
from jikko.cli.command_failure import Failure
from jikko.cli.running.form_questions import ask
from jikko.cli.running.given_inputs import accept, reader
from jikko.cli.terminal import columns, cut, is_live
from jikko.client.async_client import AsyncClient
from jikko.concurrency.loop_thread import LoopThread, interrupts
from jikko.dsl.fields import Fields
from jikko.dsl.start_variables import read_start_variables
from jikko.errors import JikkoError
from jikko.exit_codes import ExitCode
from jikko.inputs.given import Upload, described, given_inputs
from jikko.inputs.run_inputs import form_variables
from jikko.terminal_text import printable, shown


def inputs_of(
    parameters: Mapping[str, Any], pairs: list[tuple[str, str]], document: Mapping[str, Any], *, ask: bool, to: str
) -> Mapping[str, Any]:
    """Return the inputs of every turn, with ``Upload`` for local files.

    Args:
        ask: Whether to ask for missing inputs.
        to: Start of a command that chats with the app.

    Raises:
        Failure: Inputs are missing or wrong; reports all.
    """
    form = parameters.get("user_input_form") or []
    # Apps without a workflow name the type by the key alone.
    entries = [{"type": kind, **entry} for item in form for kind, entry in item.items()]
    variables = read_start_variables(Fields("", {"variables": entries}, []))
    read = reader(taken=("the questions",))
    given = given_inputs(variables, pairs, document, read)
    if ask and given.missing and not given.wrong:
        more = [
            (variable.name, click.prompt(f"{variable.label or variable.name} ({described(variable)})", err=True))
            for variable in given.missing
        ]
        given = given_inputs(variables, [*pairs, *more], document, read)
    return accept(given, to=to)


async def sent(service: AsyncClient, value: Any) -> Any:
    """Return an input for a request, after uploading local files. Raises ``Failure``: a file cannot be sent."""
    if isinstance(value, list):
        return [await sent(service, item) for item in value]
    if not isinstance(value, Upload):
        return value
    try:
        return await service.upload(Path(value.path))
    except OSError as error:
        raise Failure(
            f"{value.path}: cannot be read: {error.strerror or error}", exit_code=3, code="invalid_param"
        ) from None


def say_opening(parameters: Mapping[str, Any]) -> None:
    """Print the opening statement and its suggested questions on standard error."""
    statement = str(parameters.get("opening_statement") or "")
    for line in statement.splitlines():
        click.echo(printable(line), err=True)
    for question in parameters.get("suggested_questions") or []:
        click.echo(click.style(f"  · {printable(str(question))}", dim=True), err=True)


_ERASE = "\x1b[K"
"""Control sequence that erases the rest of a line."""
_HELP = """\
@PATH in a question attaches a file, @"PATH" one with blanks in its name; @@ is an @.
Ctrl-C stops the answer, Ctrl-D ends the conversation.
/new starts a new conversation, /id shows this one's id, /help this."""


class Talk(Struct, eq=False):
    """Conversation that prints its answers."""

    loop: LoopThread
    service: AsyncClient
    conversation: ChatSession
    parameters: Mapping[str, Any]
    as_json: bool
    """Whether to print each turn as a line of JSON instead of streaming it."""
    _waits: bool = False
    """Whether the terminal's line shows what an answer waits for."""

    def in_lines(self, lines: Iterable[str]) -> int:
        """Ask each line. Returns the exit code: that of the first question without an answer. Raises
        ``KeyboardInterrupt``: Ctrl-C; the current answer was stopped."""
        code = ExitCode.OK
        for line in lines:
            question = question_of(line.rstrip("\r\n"))
            if question.text.strip() or question.files:
                failed, interrupted = self._turn(question, may_ask=False)
                code = code or failed
                if interrupted:
                    raise KeyboardInterrupt
        return code

    def on_terminal(self) -> int:
        """Ask typed questions until the end of input."""
        _prepare_lines()
        say_opening(self.parameters)
        while True:
            try:
                line = _read_line()
            except EOFError:
                click.echo(err=True)
                return ExitCode.OK
            except KeyboardInterrupt:
                click.echo("\n(Ctrl-D ends the conversation)", err=True)
                continue
            match line.strip():
                case "":
                    continue
                case "/new":
                    self.conversation.id = ""
                    say_opening(self.parameters)
                case "/id":
                    click.echo(self.conversation.id or "no conversation yet", err=True)
                case "/help":
                    click.echo(_HELP, err=True)
                case _:
                    try:
                        self._turn(question_of(line), may_ask=True)
                    except KeyboardInterrupt:
                        click.echo(err=True)

    def _turn(self, question: TypedQuestion, *, may_ask: bool) -> tuple[ExitCode, bool]:
        """Run one turn. Returns its error, and whether it was interrupted."""
        turn = TurnOutcome(self._write, self._wait)
        interrupted = False
        try:
            files = self._uploaded(question)
            interrupted = self._interruptible(self.conversation.ask(turn, question.text, files), turn)
            while turn.forms and may_ask and not interrupted:
                interrupted = self._answer_form(turn)
        except (Failure, JikkoError) as error:
            failed = error if isinstance(error, Failure) else refusal(error)
            turn.status, turn.error = "failed", failed.format_message()
            self._end(turn, question)
            return ExitCode(failed.exit_code), interrupted
        self._end(turn, question)
        if turn.has_failed:
            return ExitCode.FAILED, interrupted
        return (ExitCode.PAUSED if turn.forms else ExitCode.OK), interrupted

    def _uploaded(self, question: TypedQuestion) -> list[dict[str, Any]]:
        if question.missing:
            listed = ", ".join(question.missing)
            raise Failure(f"no file {listed} (a word that begins with @ is written @@)", exit_code=3)
        if not question.files:
            return []
        if not (self.parameters.get("file_upload") or {}).get("enabled"):
            raise Failure("the app takes no files with questions (its feature file_upload is off)", exit_code=3)
        try:
            return [self.loop.run(self.service.upload(path)) for path in question.files]
        except OSError as error:
            raise Failure(f"{error.filename}: cannot be read: {error.strerror or error}", exit_code=3) from None

    def _interruptible(self, work: Any, turn: TurnOutcome) -> bool:
        """Wait for an answer. Ctrl-C stops it, a second one abandons it. Returns whether there was one."""
        with interrupts() as came:
            future = self.loop.start(work)
            stopping = None
            while not self.loop.is_done(future):
                if came and stopping is None and turn.task_id:
                    stopping = self.loop.start(self.conversation.stop(turn))
                if len(came) > 1 or (came and not turn.task_id) or _has_failed(stopping):
                    future.cancel()
                    return True
        if not future.cancelled():
            future.result()
        return bool(came)

    def _answer_form(self, turn: TurnOutcome) -> bool:
        form = turn.forms[0]
        if not form.get("form_token"):
            raise Failure(
                "the answer waits for another person, by e-mail or on another page", exit_code=ExitCode.PAUSED
            )
        self._write_end(turn)
        try:
            answers, action = ask(form, str(form.get("node_title") or form.get("node_id")), form_variables(form))
        except click.Abort:
            self.loop.run(self.conversation.stop(turn))
            turn.forms = []
            return True
        work = self.conversation.answer_form(turn, str(form["form_token"]), answers, action)
        return self._interruptible(work, turn)

    def _wait(self, title: str) -> None:
        """Show on a terminal what the answer waits for, in a line that the answer overwrites."""
        if not self.as_json and is_live(os.environ) and sys.stdout.isatty():
            self._waits = True
            line = cut(f"({printable(title)} …)", columns() - 1)
            click.echo(f"\r{_ERASE}{click.style(line, dim=True)}", err=True, nl=False)

    def _wait_no_longer(self) -> None:
        if self._waits:
            self._waits = False
            click.echo(f"\r{_ERASE}", err=True, nl=False)

    def _write(self, text: str) -> None:
        self._wait_no_longer()
        if not self.as_json:
            sys.stdout.write(_clean(text))
            sys.stdout.flush()

    def _write_end(self, turn: TurnOutcome) -> None:
        self._wait_no_longer()
        if turn.text and not turn.text.endswith("\n"):
            self._write("\n")

    def _end(self, turn: TurnOutcome, question: TypedQuestion) -> None:
        if self.as_json:
            entry = {
                "query": question.text,
                "answer": turn.text,
                "status": turn.status or "succeeded",
                "error": turn.error or None,
                "conversation_id": turn.conversation_id or None,
                "message_id": turn.message_id or None,
                "metadata": turn.metadata,
            }
            click.echo(shown(json.dumps(entry, ensure_ascii=False)))
            return
        self._write_end(turn)
        if turn.replaced:
            _note("(text above the last answer was retracted)")
        if turn.status == "stopped":
            _note("(stopped)")
        elif turn.has_failed:
            click.echo(click.style(f"Error: {printable(turn.error)}", fg="red"), err=True)
        elif turn.forms:
            _note("(the answer waits for a form)")


def _has_failed(future: "Future[None] | None") -> bool:
    return future is not None and future.done() and future.exception() is not None


def _note(text: str) -> None:
    click.echo(click.style(text, dim=True), err=True)


def _clean(text: str) -> str:
    """Make streamed text safe to print: whole lines, without terminal control sequences."""
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in shown(text))


def _read_line() -> str:
    """Read a question. With line editing, the prompt goes to standard output, as the line editor requires."""
    if sys.stdout.isatty():
        return input(_prompt(sys.stdout))
    click.echo("> ", err=True, nl=False)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _prompt(stream: IO[str]) -> str:
    context = click.get_current_context(silent=True)
    color = context.color if context is not None and context.color is not None else stream.isatty()
    if not color or os.environ.get("TERM", "dumb") == "dumb":
        return "> "
    # Markers that tell the line editor which characters take no space.
    return "\001\x1b[1m\002> \001\x1b[0m\002"


def _prepare_lines() -> None:
    """Set up line editing, history on the arrow keys, and completion of paths after ``@``."""
    try:
        import readline
    except ImportError:
        return
    readline.set_completer_delims(" \t\n")
    readline.set_completer(_complete)
    readline.parse_and_bind("tab: complete")


def _complete(word: str, number: int) -> str | None:
    found = [f"@{path}" for path in paths_like(word[1:])] if word.startswith("@") else []
    return found[number] if number < len(found) else None
