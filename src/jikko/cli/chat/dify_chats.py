"""Command ``jikko chat import``, which copies conversations of a Dify server with their ids."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import click
from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.dify_service import PAGE, TIMEOUT, DifyService
from jikko.cli.options import variable_option, with_assembly
from jikko.cli.output import counted, show_entry
from jikko.cli.terminal import key_given
from jikko.dify.recorded_chats import (
    ConversationOwner,
    ThereConversation,
    ThereFeedback,
    ThereFile,
    ThereMessage,
    ThereVariable,
)
from jikko.exit_codes import ExitCode
from jikko.ports.stores.file_index import StoredFile
from jikko.ports.stores.messages import ConversationVariable, Feedback
from jikko.ports.stores.run_store import TurnBegan
from jikko.terminal_text import harmless

_MESSAGES: Final = 20
"""Messages per page: a hundred may exceed the limit of one response."""
_STILL_ANSWERED: Final = 600.0
"""Seconds in which the newest message may still get its answer."""
_MAX_VARIABLES: Final = 1000
_CHATS: Final = ("chat", "agent-chat", "advanced-chat")


class _Counts(Struct):
    conversations: int = 0
    messages: int = 0
    feedbacks: int = 0
    failed: int = 0


class ChatImport:
    """Copies conversations of a Dify app to an app here. Each step is idempotent: existing ones are kept."""

    def __init__(self, service: DifyService, assembly: Assembly, *, has_variables: bool) -> None:
        """``has_variables``: Whether conversations have variables: those of chatflows do."""
        self._service = service
        self._has_variables = has_variables
        self._assembly = assembly
        self._store = assembly.conversations
        self._ratings: defaultdict[str, dict[str, ThereFeedback]] = defaultdict(dict)
        """Ratings, by conversation and message."""

    async def read_feedbacks(self) -> None:
        """Read users' feedback on answers. A Dify without a list of it returns it with each message."""
        try:
            async for each in self._service.numbered("/app/feedbacks", ThereFeedback):
                if each.from_source == "user" and each.rating is not None:
                    # The newest is first.
                    self._ratings[each.conversation_id.lower()].setdefault(each.message_id.lower(), each)
        except Failure as failure:
            if failure.exit_code != ExitCode.NOT_FOUND:
                raise

    async def copy(self, owner: ConversationOwner) -> _Counts:
        """Copy all conversations of an end user, oldest first. Raises ``Failure``: the server refuses, or does not
        answer; what was copied before stays."""
        counts = _Counts()
        async for there in self._conversations(owner.user):
            try:
                await self._one(there, owner, counts)
            except Failure as failure:
                if failure.exit_code in (ExitCode.UNAVAILABLE, ExitCode.REFUSED):
                    raise
                counts.failed += 1
                _warn(f"{owner.user}: conversation {there.id}: {failure.format_message()}")
        return counts

    async def _conversations(self, user: str) -> AsyncIterator[ThereConversation]:
        path, behind, seen = "/conversations", dict[str, str](), set[str]()
        while True:
            page = await self._service.page(path, user=user, sort_by="created_at", limit=str(PAGE), **behind)
            for each in (self._service.read(path, one, ThereConversation) for one in page):
                if each.id in seen:
                    raise self._service.unreadable(path, "its pages repeat themselves")
                seen.add(each.id)
                behind = {"last_id": each.id}
                yield each
            if len(page) < PAGE:
                return

    async def _one(self, there: ThereConversation, owner: ConversationOwner, counts: _Counts) -> None:
        conversation = there.here(owner)
        first = await self._store.first_message(conversation.id)
        if first is not None and (first.app_id, first.end_user_id) != (owner.app_id, owner.end_user_id):
            raise Failure("it already exists here, for another app or user")
        is_here, variables = first is not None, None
        async for message in self._messages(there, owner):
            if await self._store.conversation_of(message.id) is not None:
                counts.failed += 1
                _warn(f"{owner.user}: message {message.id} already exists here, in another conversation: skipped")
                continue
            if variables is None:
                variables = await self._variables(there.id, owner.user) if self._has_variables else []
                if is_here:
                    await self._update(conversation.id, variables)
            files = await self._kept(message, owner, counts)
            begun = TurnBegan(
                message=message.here(owner, conversation.id, files),
                new=None if is_here else conversation,
                variables=variables,
            )
            await self._store.add_turns([begun])
            counts.conversations += not is_here
            counts.messages += 1
            is_here = True
            if message.status == "paused":
                _warn(f"{owner.user}: message {message.id} waits for a form there; it is copied as it is")
            if message.feedback is not None and message.feedback.rating is not None:
                given = ThereFeedback(message.id, conversation.id, message.feedback.rating)
                self._ratings[conversation.id].setdefault(message.id.lower(), given)
        counts.feedbacks += await self._rate(conversation.id, owner)

    async def _messages(self, there: ThereConversation, owner: ConversationOwner) -> AsyncIterator[ThereMessage]:
        """Iterate over missing messages, oldest first. The server lists pages from the newest to the oldest."""
        newest = page = await self._page(there.id, owner.user, "")
        new, before = await self._new(page, there), list[str]()
        while len(page) == len(new) == _MESSAGES:
            if page[0].id in before:
                raise self._service.unreadable("/messages", "its pages repeat themselves")
            before.append(page[0].id)
            page = await self._page(there.id, owner.user, before[-1])
            new = await self._new(page, there)
        for each in new if before else ():
            yield each
        # Read again instead of kept: a conversation's text may not fit in memory.
        for follows in reversed(before[:-1]):
            for each in await self._new(await self._page(there.id, owner.user, follows), there):
                yield each
        for each in await self._new(newest, there):
            if each is newest[-1] and each.is_unanswered and time.time() - each.created_at < _STILL_ANSWERED:
                _warn(f"{owner.user}: message {each.id} is being answered there: skipped until the next import")
            else:
                yield each

    async def _page(self, conversation_id: str, user: str, before: str) -> list[ThereMessage]:
        """Return a page of messages, oldest first. ``before``: The message after the page; ``""``: the newest page."""
        asked = {"conversation_id": conversation_id, "user": user, "limit": str(_MESSAGES)}
        page = await self._service.page("/messages", **asked, **({"first_id": before} if before else {}))
        return [self._service.read("/messages", each, ThereMessage) for each in page]

    async def _new(self, page: Sequence[ThereMessage], there: ThereConversation) -> list[ThereMessage]:
        """Return those that are missing here."""
        return [each for each in page if await self._store.conversation_of(each.id) != there.id.lower()]

    async def _variables(self, conversation_id: str, user: str) -> list[ConversationVariable]:
        """Return the variables of a chatflow's conversation; others have none."""
        path, found, behind = (
            f"/conversations/{conversation_id}/variables",
            list[ConversationVariable](),
            dict[str, str](),
        )
        while True:
            try:
                page = await self._service.page(path, user=user, limit=str(PAGE), **behind)
            except Failure as failure:
                if failure.exit_code == ExitCode.NOT_FOUND:  # an older Dify
                    return []
                raise
            for each in (self._service.read(path, one, ThereVariable) for one in page):
                behind = {"last_id": each.id}
                try:
                    found.append(each.here())
                except ValueError as error:
                    _warn(f"conversation {conversation_id}: variable {each.name} is left out: {error}")
            if len(page) < PAGE or len(found) > _MAX_VARIABLES:
                return found

    async def _update(self, conversation_id: str, variables: Sequence[ConversationVariable]) -> None:
        """Update the variables to their current values there, unless the conversation continued here."""
        if await self._store.version_of(conversation_id) is None:
            for each in variables:
                await self._store.set_variable(conversation_id, each.id, each.value, at=each.updated_at)

    async def _kept(
        self, message: ThereMessage, owner: ConversationOwner, counts: _Counts
    ) -> list[tuple[ThereFile, Any]]:
        """Store the available files of a message, and return them with their mappings here."""
        kept: list[tuple[ThereFile, Any]] = []
        store, stored = self._assembly.ports.files, dict[str, StoredFile]()
        for each in message.message_files or ():
            file = stored.get(each.place)
            if file is None:
                content = await self._service.file(each.url) if each.url else None
                if content is None:
                    counts.failed += 1
                    _warn(f"{owner.user}: message {message.id}: left without its file {each.name}, which cannot be had")
                    continue
                file = stored[each.place] = await store.save(
                    _pieces(content),
                    app_id=owner.app_id,
                    end_user_id=owner.end_user_id,
                    name=each.name,
                    mime_type=each.mime_type or "application/octet-stream",
                    origin="upload" if each.is_asked else "node",
                )
            kept.append((each, store.mapping(file, type=each.type)))
        return kept

    async def _rate(self, conversation_id: str, owner: ConversationOwner) -> int:
        """Copy feedback given since the last import. Returns the number of answers."""
        count = 0
        for message_id, given in self._ratings.pop(conversation_id, {}).items():
            message = await self._store.message(owner.app_id, owner.end_user_id, message_id)
            rating = given.here(owner)
            if message is not None and _is_newer(rating, message.feedback):
                await self._store.rate(rating)
                count += 1
        return count


def _is_newer(given: Feedback, here: Feedback | None) -> bool:
    return here is None or (
        given.updated_at > here.updated_at and (given.rating, given.content) != (here.rating, here.content)
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _warn(text: str) -> None:
    click.echo(harmless(text), err=True)


def _listed(users: tuple[str, ...], file: Path | None) -> list[str]:
    try:
        listed = [] if file is None else file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--users: {file} cannot be read: {error}.") from None
    wanted = list(dict.fromkeys(each.strip() for each in (*users, *listed) if each.strip()))
    if not wanted:
        raise click.UsageError("Name the users: --user USER, or --users FILE.")
    return wanted


@click.command("import")
@click.option("--url", required=True, help="Address of the server, such as https://dify.example.")
@variable_option(
    "--key", variable="DIFY_KEY", required=True, help="The app's key there, app-…; - to read it from standard input."
)
@click.option("--app", required=True, metavar="NAME", shell_complete=complete_app, help="The app here (name or id).")
@click.option("--user", "users", multiple=True, help="A user of requests, whose conversations are copied. Repeatable.")
@click.option(
    "--users", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with one user a line."
)
@with_assembly
async def import_(
    assembly: Assembly, url: str, key: str, app: str, users: tuple[str, ...], file: Path | None, as_json: bool
) -> int:
    """Copy conversations with messages, files, feedback and variables, through the API of a Dify server.

    They keep their ids, and chats continue here. Dify's API lists a user's conversations, but no users: name them. A
    repeated import copies only what is new. The exit code is 1 if something could not be copied.
    """
    wanted = _listed(users, file)
    found = await assembly.apps.find(app)
    if found.mode not in _CHATS:
        raise Failure(f"{found.name} is not a chat app (its mode is {found.mode})", code="not_chat_app")
    key = key_given(key, "--key")
    failed = 0
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        takes = "the API key of the app, which begins with app-"
        service = DifyService(session, assembly.ports.http, url, key, takes=takes)
        mode = (await service.one("/info", dict[str, Any])).get("mode")
        if mode is not None and mode != found.mode:
            told = f"{found.name} is of mode {found.mode}, and the app of this key of mode {mode}"
            raise Failure(told, code="other_mode")
        copying = ChatImport(service, assembly, has_variables=found.mode == "advanced-chat")
        await copying.read_feedbacks()
        for user in wanted:
            await assembly.end_users.known(found.id, user)
            counts = await copying.copy(ConversationOwner(found.id, end_user(found.id, user), user))
            failed += counts.failed
            told = f"{user}: {counted(counts.conversations, 'new conversation')}, {counted(counts.messages, 'message')}"
            told += f", {counted(counts.feedbacks, 'rating')}" + (f", {counts.failed} failed" if counts.failed else "")
            entry = {name: getattr(counts, name) for name in counts.__struct_fields__}
            show_entry({"user": user, **entry}, harmless(told), as_json=as_json)
    return 1 if failed else 0
