"""Answer bodies of conversations, messages, feedback and variables.
Source: docs/dify-behaviour.md, “Conversations and messages”."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from msgspec import Meta, Struct

from jikko.dify.app_events import thought_fields
from jikko.dify.bodies import body_from, timed_body_from
from jikko.dify.dify_events import form_requested, submitted_form
from jikko.dify.stream_messages import SubmittedForm
from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message, Thought, TurnForm
from jikko.runs.turn_fold import file_id
from jikko.values import Json, Seconds, Uuid

NO_PARENT: Final = "00000000-0000-0000-0000-000000000000"
"""Parent of every message: over this API, conversations have no branches."""


class ConversationBody(Struct):
    id: Uuid
    name: str
    inputs: dict[str, Json]
    introduction: str
    created_at: Seconds
    updated_at: Seconds
    status: str = "normal"


class ConversationPage(Struct):
    limit: int
    has_more: bool
    data: list[ConversationBody]


class Rating(Struct):
    """End user's rating of an answer."""

    rating: Literal["like", "dislike"]


class MessageFile(Struct):
    id: Uuid
    filename: str | None
    type: str
    url: str | None
    mime_type: str | None
    size: int | None
    transfer_method: str
    belongs_to: Literal["user", "assistant"]
    upload_file_id: str | None


class FormDefinition(Struct):
    """Form of an answer, open or closed."""

    form_id: str
    node_id: str
    node_title: str
    form_content: str
    inputs: list[dict[str, Json]]
    actions: list[dict[str, Json]]
    form_token: Annotated[str | None, Meta(description="For open forms: the token to submit it with.")]
    resolved_default_values: dict[str, Json]
    expiration_time: Seconds
    display_in_ui: bool


class ExtraContent(Struct):
    """Additional content of a message: a form."""

    workflow_run_id: Uuid
    submitted: bool
    form_definition: FormDefinition
    form_submission_data: SubmittedForm | None
    type: str = "human_input"


class MessageBody(Struct):
    """Message: a question with its answer."""

    id: Uuid
    conversation_id: Uuid
    inputs: dict[str, Json]
    query: str
    answer: str
    feedback: Rating | None
    retriever_resources: list[dict[str, Json]]
    created_at: Seconds
    message_files: list[MessageFile]
    status: Literal["normal", "error", "paused"]
    error: str | None
    extra_contents: list[ExtraContent]
    parent_message_id: Uuid = NO_PARENT
    agent_thoughts: list[Json] = []


class MessagePage(Struct):
    """Page of a conversation's messages, oldest first."""

    limit: int
    has_more: bool
    data: list[MessageBody]


class FeedbackBody(Struct):
    """End user's feedback on an answer."""

    id: Uuid
    app_id: Uuid
    conversation_id: Uuid
    message_id: Uuid
    rating: Literal["like", "dislike"]
    content: str | None
    from_end_user_id: Uuid
    created_at: str
    updated_at: str
    from_source: str = "user"
    from_account_id: None = None


class FeedbackPage(Struct):
    """Page of feedback, newest first."""

    data: list[FeedbackBody]


class VariableBody(Struct):
    id: Uuid
    name: str
    value_type: str
    value: Annotated[str, Meta(description="Always text; other types in Python's notation.")]
    description: str
    created_at: Seconds
    updated_at: Seconds


class VariablePage(Struct):
    limit: int
    has_more: bool
    data: list[VariableBody]


class Fresh(Struct):
    """Renews file URLs."""

    value: Callable[[Json], Json]
    text: Callable[[str], str]


def conversation_body(conversation: Conversation, fresh: Fresh) -> ConversationBody:
    return timed_body_from(conversation, ConversationBody, inputs=fresh.value(conversation.inputs))


def message_body(message: Message, fresh: Fresh) -> MessageBody:
    answer, feedback = message.answer, message.feedback
    files = [
        *_files(message, "user", fresh.value(message.files)),
        *_files(message, "assistant", fresh.value(answer.files)),
    ]
    return MessageBody(
        message.id,
        message.conversation_id,
        fresh.value(message.inputs),
        message.query,
        fresh.text(answer.text),
        None if feedback is None else Rating(feedback.rating),
        cited_resources(message.id, answer.metadata.retriever_resources),
        int(message.created_at),
        files,
        answer.status,
        answer.error,
        [_form(form, message.run_id or "") for form in answer.forms],
        agent_thoughts=[_thought(message, thought) for thought in answer.thoughts],
    )


def _thought(message: Message, thought: Thought) -> Json:
    return {
        "id": thought.id,
        "chain_id": None,
        "message_id": message.id,
        **thought_fields(message.id, thought, message.answer.files),
        "created_at": int(thought.created_at),
    }


def _files(message: Message, of: Literal["user", "assistant"], files: list[Any]) -> list[MessageFile]:
    return [
        MessageFile(
            file_id(message.id, of, position),
            file.get("filename"),
            file["type"],
            file.get("url"),
            file.get("mime_type"),
            file.get("size"),
            file["transfer_method"],
            of,
            file.get("related_id") or None,
        )
        for position, file in enumerate(files)
    ]


def _form(form: TurnForm, run_id: str) -> ExtraContent:
    fields = form_requested(form.requested)
    closed = form.closed
    definition = body_from(fields, FormDefinition, form_token=fields.form_token if closed is None else None)
    submission = None
    if closed is not None and closed.action_id is not None:
        submission = submitted_form(closed, closed.action_id)
    return ExtraContent(run_id, submission is not None, definition, submission)


def feedback_body(feedback: Feedback) -> FeedbackBody:
    made, changed = _moment(feedback.created_at), _moment(feedback.updated_at)
    return body_from(feedback, FeedbackBody, from_end_user_id=feedback.end_user_id, created_at=made, updated_at=changed)


def _moment(at: float) -> str:
    """Format a UTC time as Dify does here: without a zone."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()


def variable_body(variable: ConversationVariable) -> VariableBody:
    """Encode a variable, its value as text. Source: docs/dify-behaviour.md, “Conversations and messages”."""
    kind = "number" if variable.value_type in ("integer", "float") else variable.value_type
    return timed_body_from(variable, VariableBody, value_type=kind, value=str(variable.value))


# Citations in lists of messages.
# Source: docs/dify-behaviour.md, “Citations”.

_EXCLUDED_FIELDS: Final = ("retriever_from", "page", "doc_metadata", "title", "files")
"""Fields of a citation in an answer's end, but not in lists."""


def cited_resources(message_id: str, resources: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the citations of a message.

    Dify gives each two IDs that refer to nothing, not even the message; here they are stable.
    """
    own = UUID(message_id)
    return [
        {
            "id": str(uuid5(own, f"resource/{place}")),
            "message_id": str(uuid5(own, f"message/{place}")),
            **{name: each for name, each in resource.items() if name not in _EXCLUDED_FIELDS},
            "created_at": None,
        }
        for place, resource in enumerate(resources)
    ]
