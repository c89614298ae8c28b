"""Conversations written by tests of stores."""

from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message, MessageAnswer
from jikko.values import Json

from .runs import APP


def conversation(
    id_: str, *, app: str = APP, user: str = "anna", at: float = 1000.0, title_due: bool = False
) -> Conversation:
    return Conversation(
        id=id_,
        app_id=app,
        end_user_id=f"id of {user}",
        user=user,
        name=f"name of {id_} 🙂",
        inputs={"題": ["\ue000", None, 1.5]},
        introduction="ようこそ",
        created_at=at,
        updated_at=at,
        title_due=title_due,
    )


def message(
    id_: str,
    conversation_id: str,
    *,
    app: str = APP,
    user: str = "anna",
    at: float = 1000.0,
    run_id: str | None = None,
    answer: MessageAnswer | None = None,
    files: list[Json] | None = None,
) -> Message:
    return Message(
        id=id_,
        conversation_id=conversation_id,
        app_id=app,
        end_user_id=f"id of {user}",
        run_id=run_id,
        query=f"何？ {id_}",
        inputs={"n": 1},
        files=files or [],
        created_at=at,
        answer=answer or MessageAnswer(),
    )


def variable(name: str, value: Json = 0, *, at: float = 1000.0) -> ConversationVariable:
    return ConversationVariable(
        id=f"id of {name}",
        name=name,
        value_type="number",
        value=value,
        description="説明",
        created_at=at,
        updated_at=at,
    )


def feedback(message_id: str, conversation_id: str, *, at: float = 1000.0, content: str | None = None) -> Feedback:
    return Feedback(
        id=f"f-{message_id}-{at:.0f}",
        message_id=message_id,
        conversation_id=conversation_id,
        app_id=APP,
        end_user_id="id of anna",
        rating="like",
        content=content,
        created_at=at,
        updated_at=at,
    )
