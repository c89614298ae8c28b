"""Turns of conversations. Source: docs/dify-behaviour.md, “Chat requests”, “Course of a turn”.

Turns of one conversation may run concurrently. Each sees the conversation as it was at its start: the variables of that
moment, and the earlier messages; of concurrent writes to a variable the last wins. See
docs/decisions/0024-concurrent-turns-of-one-conversation.md.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.apps.end_users import end_user
from jikko.apps.versions import Workflow, Workflows
from jikko.concurrency.background_tasks import start_task
from jikko.conversations.hooks import HookReply, Hooks, UserQuery
from jikko.conversations.titles import new_conversation, new_variable
from jikko.dsl.document import BASIC_MODES
from jikko.errors import InvalidParam, JikkoError, ModelNotReady, NotFound
from jikko.events import RunStarted, Turn
from jikko.ids import new_id
from jikko.inputs.file_inputs import upload_settings
from jikko.inputs.run_inputs import prepare
from jikko.log_context import log_context
from jikko.ports.clock import Clock
from jikko.ports.models import ModelFailure, Models, UnknownProvider
from jikko.ports.stores.messages import Conversation, Message, MessageAnswer, MessageMetadata, Opened
from jikko.ports.stores.run_store import StartOptions, TurnBegan
from jikko.repositories.app_store import App
from jikko.repositories.conversation_store import ConversationStore
from jikko.runs.run_log import RunLog
from jikko.runs.runs import Runs, StartOutcome
from jikko.runs.turn_fold import no_usage
from jikko.values import Json

log = logging.getLogger(__name__)


class EarlierTurn(Struct, frozen=True):
    """Message from before a conversation began here, as reported by its client."""

    query: str
    answer: str = ""


class TurnRequest(Struct, frozen=True, kw_only=True):
    query: str
    inputs: Mapping[str, Json]
    user: str
    conversation_id: str = ""
    """``""``: a new conversation. In a chatflow also an id that this end user does not have. [QUIRK]"""
    new_id: str = ""
    """Id for a new conversation, not used by anybody; by default a generated one."""
    files: list[Json] | None = None
    workflow_id: str | None = None
    """A version; by default the current one."""
    name_wanted: bool = True
    """Whether a model is to name a new conversation."""
    streamed: bool = False
    """Whether the client wants a stream."""
    base_url: str = ""
    """Base URL by which the client reached the server, for links to files."""
    earlier: Sequence[EarlierTurn] = ()
    """Initial messages of a new conversation, oldest first; ignored for an existing one."""


class Turns(Struct, eq=False, kw_only=True):
    store: ConversationStore
    runs: Runs
    workflows: Workflows
    models: Models
    hooks: Hooks = field(default_factory=Hooks)
    clock: Clock = time.time
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def begin(
        self, app: App, request: TurnRequest, options: StartOptions | None = None
    ) -> StartOutcome | Message:
        """Begin a turn, which continues without the caller.

        Args:
            options: Guarantees given to the client with the run.

        Returns:
            The run that answers; or the message, if it was answered without a run.

        Raises:
            InvalidParam: Question, inputs or files are missing or invalid. There is no message.
            NotFound: No such version; or, without a workflow, the end user has no such conversation.
            ModelNotReady: The app has no workflow, and its model is not configured.
            Conflict: The idempotency key was used for another request.
            TooManyRequests: The app's queue is full.
            ServerStopping: The process is about to end.
        """
        try:
            return await self.runs.starts.start(app, options, partial(self._begin, app, request))
        except _Answered as answered:
            return answered.message

    async def begin_made(
        self, app: App, make: Callable[[], Awaitable[TurnRequest]], options: StartOptions | None
    ) -> StartOutcome | Message:
        """As ``begin``, with a request that is made only if no run has the idempotency key."""

        async def begin(options: StartOptions | None) -> RunLog:
            return await self._begin(app, await make(), options)

        try:
            return await self.runs.starts.start(app, options, begin)
        except _Answered as answered:
            return answered.message

    async def title(self, app: App, query: str) -> str:
        """Return a name for a conversation that began with a question."""
        return await self.hooks.title(app, query)

    async def _begin(self, app: App, request: TurnRequest, options: StartOptions | None) -> RunLog:
        self.runs.executor.require_open()
        opened, replies = None, self.hooks.replies(app.id)
        if request.conversation_id:
            # Concurrently: the database may be far away.
            user = end_user(app.id, request.user)
            opening = self.store.opened(app.id, user, request.conversation_id)
            opened, state = await asyncio.gather(opening, replies)
            if opened is None and app.mode in BASIC_MODES:
                raise NotFound("Conversation Not Exists.")
        else:
            state = await replies
        workflow = await self._workflow(app, request, opened)
        asked = replace(
            await self._asked(app, workflow, request), conversation=opened and opened.conversation, replies=state
        )
        given = asked
        waited: list[bool] = []
        later = asyncio.get_running_loop().call_soon(waited.append, True)
        for policy in self.hooks.policies:
            try:
                decided = await policy.consider(asked)
            except InvalidParam as failure:
                if app.mode not in BASIC_MODES:
                    raise
                refused = await self._answered(given, opened, request, failure)
                if not request.streamed:
                    raise
                raise _Answered(refused) from None
            if isinstance(decided, HookReply):
                raise _Answered(await self._answered(given, opened, request, decided))
            asked = decided
        later.cancel()
        if waited and opened is not None:
            # The conversation may have changed meanwhile.
            opened = await self.store.opened(app.id, asked.end_user_id, request.conversation_id)
        # A message of an app without a workflow keeps the question as asked, before moderation.
        message = given if app.mode in BASIC_MODES else asked
        return await self._run(asked, message, opened, request, options)

    async def _workflow(self, app: App, request: TurnRequest, opened: Opened | None) -> Workflow:
        """Return the version that answers. A conversation of an app without a workflow keeps its first one."""
        if opened is not None and app.mode in BASIC_MODES:
            used = await self.store.version_of(opened.conversation.id)
            if used is None:
                return await self.workflows.as_of(app, opened.conversation.created_at)
            return await self.workflows.get(app, used)
        return await self.workflows.get(app, request.workflow_id)

    async def _asked(self, app: App, workflow: Workflow, request: TurnRequest) -> UserQuery:
        """Raises ``InvalidParam``: see ``begin``."""
        query = request.query.replace("\x00", "")
        if not query and app.mode != "completion":
            raise InvalidParam("query is required")
        end_user_id = end_user(app.id, request.user)
        files, features = self.runs.file_inputs, workflow.document.features
        asker: Any = {"app_id": app.id, "end_user_id": end_user_id, "base_url": request.base_url}
        attached: list[Any] = []
        # Without the feature they are dropped, unread.
        if request.files and upload_settings(features) is not None:
            attached = await files.top_level(request.files, features, strict=False, **asker)
        if app.mode in BASIC_MODES:
            self._require_model(features.get("model"))
        inputs = await prepare(
            workflow.inputs, request.inputs, partial(files.file, **asker), partial(files.file_list, **asker)
        )
        return UserQuery(
            app=app,
            workflow=workflow,
            user=request.user,
            end_user_id=end_user_id,
            conversation=None,
            query=query,
            inputs=inputs,
            files=attached,
        )

    def _require_model(self, model: Json) -> None:
        """Raises ``InvalidParam``, ``ModelNotReady``: see ``begin``."""
        if not isinstance(model, Mapping) or not model.get("name"):
            raise InvalidParam("model is required")
        try:
            self.models.abilities(str(model.get("provider") or ""), str(model["name"]))
        except UnknownProvider as failure:
            raise InvalidParam(str(failure)) from None
        except ModelFailure as failure:
            raise ModelNotReady(str(failure)) from None

    async def _run(
        self,
        asked: UserQuery,
        shown: UserQuery,
        opened: Opened | None,
        request: TurnRequest,
        options: StartOptions | None,
    ) -> RunLog:
        """``asked``: For the run. ``shown``: For the message."""
        app, workflow = asked.app, asked.workflow
        identity = workflow.new_run(app.id, asked.end_user_id, asked.user)
        opening = self._opening(shown, opened, request, identity.run_id)
        began, new = opening[-1], opening[0].new
        message = began.message
        known = () if opened is None else opened.variables
        questions = len(opening) if opened is None else opened.conversation.turns + 1
        system: dict[str, Json] = {
            "query": asked.query,
            "files": asked.files,
            "user_id": asked.user,
            "dialogue_count": questions,
            "app_id": app.id,
            "workflow_id": workflow.id,
            "workflow_run_id": identity.run_id,
        }
        turn = Turn(
            conversation_id=message.conversation_id,
            message_id=message.id,
            variables={variable.name: variable.value for variable in (*known, *began.variables)},
            cites=workflow.document.feature("retriever_resource") != {},
            streamed=request.streamed,
            mode=app.mode,
        )
        trace = log_context.get().trace
        started = RunStarted(at=message.created_at, inputs=dict(asked.inputs), system=system, turn=turn, trace=trace)
        run = await self.runs.begin(identity, workflow, started, options=options, opening=opening)
        if new is not None and new.title_due:
            self._later(run.committed(1), app, new, message)
        return run

    async def _answered(
        self, asked: UserQuery, opened: Opened | None, request: TurnRequest, reply: HookReply | InvalidParam
    ) -> Message:
        """Store a turn without a run, answered or failed. Durable on return."""
        if isinstance(reply, HookReply):
            usage = no_usage() if asked.app.mode in BASIC_MODES else None
            answer = MessageAnswer(
                text=reply.text, metadata=MessageMetadata(annotation_reply=reply.annotation, usage=usage)
            )
        else:
            answer = MessageAnswer(status="error", error=str(reply))
        opening = self._opening(asked, opened, request, None, answer)
        await self.store.add_turns(opening)
        message, new = opening[-1].message, opening[0].new
        if new is not None and new.title_due:
            self.hooks.first_turn(asked.app, new, message)
        return message

    def _opening(
        self,
        asked: UserQuery,
        opened: Opened | None,
        request: TurnRequest,
        run_id: str | None,
        answer: MessageAnswer | None = None,
    ) -> list[TurnBegan]:
        """Return the events that open the turn: the message with its effects on the conversation, after the initial
        messages of a new one."""
        now = self.clock()
        new = None
        if opened is None:
            new = new_conversation(asked, request.new_id or new_id(), title_due=request.name_wanted, now=now)
        conversation_id = new_id() if new is None else new.id
        known: set[str] = set()
        if opened is not None:
            conversation_id = opened.conversation.id
            known = {variable.name for variable in opened.variables}
        made = partial(
            Message, conversation_id=conversation_id, app_id=asked.app.id, end_user_id=asked.end_user_id, created_at=now
        )
        said: list[Message] = []
        if new is not None:
            said = [
                made(id=new_id(), run_id=None, query=turn.query, answer=MessageAnswer(text=turn.answer))
                for turn in request.earlier
            ]
        message = made(
            id=new_id(),
            run_id=run_id,
            query=asked.query,
            inputs=dict(asked.inputs),
            files=list(asked.files),
            answer=answer or MessageAnswer(),
        )
        declared = asked.workflow.document.conversation
        variables = [new_variable(asked.app, one, now) for one in declared if one.name not in known]
        if not said:
            return [TurnBegan(message=message, new=new, variables=variables)]
        first = TurnBegan(message=said[0], new=new, variables=variables)
        return [first, *(TurnBegan(message=one) for one in (*said[1:], message))]

    def _later(self, durable: Any, app: App, conversation: Conversation, message: Message) -> None:
        """Announce a first turn once it is durable."""

        async def announce() -> None:
            try:
                await durable
            except JikkoError:
                return  # no such turn
            self.hooks.first_turn(app, conversation, message)

        start_task(announce(), self._tasks)


class _Answered(Exception):
    """The turn was answered without a run."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message
