"""Where the app is that is talked with: in a file, in a data folder, or on a server."""

import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import check
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.environment import require_names
from jikko.cli.chat.service import ChatService
from jikko.cli.chat.transport import AppTransport, HttpTransport
from jikko.cli.checking.examples import as_word
from jikko.cli.failure import Failure
from jikko.cli.options import assembled, existing
from jikko.cli.runs.remote import open_folder
from jikko.http.app import create_app
from jikko.nodes.registry import BY_TYPE
from jikko.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTarget:
    """What the options of the command say."""

    settings: Settings
    user: str
    file: Path | None = None
    app: str = ""
    """Name or id of an app of the data folder."""
    url: str = ""
    key: str = ""

    @property
    def command(self) -> str:
        """The beginning of a command that talks with the same app. A key is not shown: that is in ``JIKKO_KEY``."""
        if self.file is not None:
            return f"jikko chat {as_word(str(self.file))}"
        name, value = ("--app", self.app) if self.app else ("--url", self.url)
        # An option whose value begins with a dash is written in one word.
        word = shlex.quote(value)
        return f"jikko chat {name}={word}" if value.startswith("-") else f"jikko chat {name} {word}"


@asynccontextmanager
async def opened(place: ChatTarget) -> AsyncIterator[ChatService]:
    """The app, ready to be asked.

    Raises:
        JikkoError: The file cannot be imported, or there is no such app.
        Failure: It is no chat app, or it cannot be reached.
    """
    async with AsyncExitStack() as stack:
        if place.url:
            service = await _on_server(place.url, place.key, place.user, stack)
        elif place.file is not None:
            service = await _in_memory(place, place.file, stack)
        else:
            service = await _in_folder(place, stack)
        mode = await service.mode()
        if mode not in ("advanced-chat", "chat", "agent-chat"):
            hint = "Run it with: jikko run" if mode == "workflow" else ""
            raise Failure(f"the app is no chat app (its mode is {mode})", code="not_chat_app", hint=hint)
        yield service


async def _on_server(url: str, key: str, user: str, stack: AsyncExitStack) -> ChatService:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, connect=10)
    # A connection for each request: one that was kept while the user thought may be closed by the server.
    connector = aiohttp.TCPConnector(force_close=True)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
    return ChatService(HttpTransport(session, url), key, user)


async def _in_memory(place: ChatTarget, file: Path, stack: AsyncExitStack) -> ChatService:

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
    return await _here(assembly, await assembly.app_keys.issue(app.id), place.user, stack)


async def _in_folder(place: ChatTarget, stack: AsyncExitStack) -> ChatService:

    existing(place.settings)
    assembly, address = await open_folder(place.settings, stack, doing="jikko chat")
    app = await assembly.apps.find(place.app)
    key = await stack.enter_async_context(assembly.app_keys.passing(app.id))
    return await (_on_server(address, key, place.user, stack) if address else _here(assembly, key, place.user, stack))


async def _here(assembly: Assembly, key: str, user: str, stack: AsyncExitStack) -> ChatService:

    stack.push_async_callback(assembly.runs.close, 0)
    return ChatService(AppTransport(create_app(assembly)), key, user)
