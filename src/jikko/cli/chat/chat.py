"""Command ``jikko chat``, a conversation in the terminal, with an app of a file, of a data folder or of a server."""

import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import check
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.environment_options import env_of, env_options, require_names
from jikko.cli.chat.repl import Talk, inputs_of, sent
from jikko.cli.chat.turn import ChatSession, refusal
from jikko.cli.checking.dsl_sources import as_word
from jikko.cli.command_failure import Failure, LazyGroup
from jikko.cli.completion import complete_app
from jikko.cli.options import (
    assembled,
    existing,
    home_option,
    json_option,
    providers_option,
    settings_of,
    variable_option,
)
from jikko.cli.running.given_inputs import document_of, inputs_options, pairs_of, trial_options, trial_settings
from jikko.cli.runs.remote import open_folder
from jikko.client.async_client import AsyncClient
from jikko.concurrency.loop_thread import LoopThread
from jikko.errors import JikkoError
from jikko.http.app import create_app
from jikko.nodes.registry import BY_TYPE
from jikko.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTarget:
    """App to chat with, from the command's options."""

    settings: Settings
    user: str
    file: Path | None = None
    app: str = ""
    """Name or id of an app in the data folder."""
    url: str = ""
    key: str = ""

    @property
    def command(self) -> str:
        """Return the start of a command that chats with the same app. It omits the key, which is in ``JIKKO_KEY``."""
        if self.file is not None:
            return f"jikko chat {as_word(str(self.file))}"
        name, value = ("--app", self.app) if self.app else ("--url", self.url)
        # An option value that starts with a dash needs the form ``--option=value``.
        word = shlex.quote(value)
        return f"jikko chat {name}={word}" if value.startswith("-") else f"jikko chat {name} {word}"


@asynccontextmanager
async def opened(place: ChatTarget) -> AsyncIterator[AsyncClient]:
    """Yield a client of the app. Raises ``JikkoError``: the file cannot be imported, or the app does not exist;
    ``Failure``: it is not a chat app, or is unreachable."""
    async with AsyncExitStack() as stack:
        if place.url:
            service = await stack.enter_async_context(AsyncClient(place.url, place.key, user=place.user))
        elif place.file is not None:
            service = await _in_memory(place, place.file, stack)
        else:
            service = await _in_folder(place, stack)
        mode = (await service.info()).get("mode")
        if mode not in ("advanced-chat", "chat", "agent-chat"):
            hint = f"Run it with: jikko run {as_word(str(place.file or 'FILE'))}" if mode == "workflow" else ""
            raise Failure(f"the app is not a chat app (its mode is {mode})", code="not_chat_app", hint=hint)
        yield service


async def _in_memory(place: ChatTarget, file: Path, stack: AsyncExitStack) -> AsyncClient:
    try:
        text = read_dsl_file(file)
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be read: {error.strerror}") from None
    checked = check(text, source=str(file), node_classes=BY_TYPE)
    checked.require()
    for problem in checked.problems:
        click.echo(f"warning: {problem}", err=True)
    assembly = await stack.enter_async_context(assembled(place.settings, in_memory=True))
    app = (await assembly.apps.publish(text, source=file.stem)).app
    await require_names(assembly, app)
    return _here(assembly, await assembly.app_keys.issue(app.id), place.user, stack)


async def _in_folder(place: ChatTarget, stack: AsyncExitStack) -> AsyncClient:
    existing(place.settings)
    assembly, address = await open_folder(place.settings, stack, doing="jikko chat")
    app = await assembly.apps.find(place.app)
    key = await stack.enter_async_context(assembly.app_keys.passing(app.id))
    if address:
        return await stack.enter_async_context(AsyncClient(address, key, user=place.user))
    return _here(assembly, key, place.user, stack)


def _here(assembly: Assembly, key: str, user: str, stack: AsyncExitStack) -> AsyncClient:
    stack.push_async_callback(assembly.runs.close, 0)
    return AsyncClient(app=create_app(assembly), key=key, user=user)


class ChatCommand(LazyGroup):
    """``jikko chat FILE``, and subcommands. A file with the name of one is ./FILE."""

    # Anything but a subcommand's name is an argument, with options before and after it.
    allow_interspersed_args = True
    parse_args = click.Command.parse_args
    invoke = click.Command.invoke
    collect_usage_pieces = click.Command.collect_usage_pieces

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if not args or args[0] not in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        # Subcommands' usage lines omit this command's arguments.
        own = self.context_class(click.Command(self.name), info_name=info_name, parent=parent, **extra)
        return self.commands[args[0]].make_context(args[0], args[1:], parent=own)


@click.command(
    cls=ChatCommand,
    invoke_without_command=True,
    listed={"import": ("jikko.cli.chat.dify_chats:import_", "Copy conversations of a Dify server.")},
)
@click.argument("file", required=False, type=click.Path(allow_dash=True, path_type=Path))
@click.argument("questions", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option("--app", "app", metavar="NAME", shell_complete=complete_app, help="An app of the data folder.")
@variable_option("--url", help="A Jikko or Dify server; with --key.")
@variable_option("--key", help="The API key of the app; with --url.")
@click.option("--user", default="cli", help="The end user.")
@click.option("--conversation", default="", metavar="ID", help="Continue this conversation.")
@inputs_options
@env_options
@providers_option
@trial_options
@json_option
@home_option
def chat(
    file: Path | None,
    questions: str | None,
    pairs: tuple[str, ...],
    document: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    fake_models: bool,
    mocks: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Chat with the app of the workflow FILE, in this process; with --app or --url, with a served one.

    Answers are streamed. @PATH in a question attaches a file (@"PATH" if it has blanks). Arrow keys recall earlier
    questions. Ctrl-C stops the answer, not the program; Ctrl-D ends it. /new starts a new conversation, /help lists
    the commands.

    With - after FILE, and if standard input is not a terminal, each line of it is a question; only answers go to
    standard output. With --json each turn is a line of JSON. Exit codes are in docs/exit-codes.md: 0, or that of the
    first question without an answer.
    """
    if file is not None and str(file) == "-":
        file, questions = None, "-"
    if (file is not None) + bool(given["app"]) + bool(given["url"] and not given["app"] and file is None) != 1:
        raise click.UsageError("Choose an app: FILE, --app NAME, or --url URL with --key KEY.")
    url = given["url"] if file is None and not given["app"] else ""
    if url and not given["key"]:
        raise click.UsageError("--url needs the API key of the app: --key, or JIKKO_KEY.")
    if "-" in (document, str(env_file)):
        raise click.UsageError("Standard input is read for questions; give inputs and variables in another way.")
    settings = settings_of(
        home=given["home"],
        env=env_of(env, env_file),
        providers=given["providers"],
        **trial_settings(fake_models, mocks),
    )
    place = ChatTarget(
        settings=settings, user=given["user"], file=file, app=given["app"] or "", url=url, key=given["key"] or ""
    )
    in_lines = questions == "-" or not sys.stdin.isatty()
    sys.exit(_talk(place, pairs_of(pairs), document_of(document), given["conversation"], in_lines, as_json))


def _talk(
    place: ChatTarget,
    pairs: list[tuple[str, str]],
    document: dict[str, Any],
    conversation_id: str,
    in_lines: bool,
    as_json: bool,
) -> int:
    try:
        with LoopThread() as loop:
            stack = AsyncExitStack()
            try:
                service = loop.run(stack.enter_async_context(opened(place)))
                parameters = loop.run(service.parameters())
                values = inputs_of(parameters, pairs, document, ask=not in_lines, to=place.command)
                inputs = {name: loop.run(sent(service, value)) for name, value in values.items()}
                conversation = ChatSession(service, inputs, conversation_id)
                talk = Talk(loop, service, conversation, parameters, as_json=as_json)
                return talk.in_lines(sys.stdin) if in_lines else talk.on_terminal()
            finally:
                loop.run(stack.aclose())
    except JikkoError as error:
        raise refusal(error) from None
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the answers is gone; nothing may be flushed at exit.
        sys.stdout = None
        return 1
