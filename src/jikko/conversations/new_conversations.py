"""Conversations as they begin: their record, their variables, and how the app opens them."""

import re
from collections.abc import Mapping
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from jikko.apps.versions import Workflow
from jikko.conversations.hooks import UserQuery
from jikko.dsl.document import Variable
from jikko.ids import is_uuid
from jikko.lang.templates import to_text
from jikko.ports.stores.app_store import App
from jikko.ports.stores.messages import Conversation, ConversationVariable
from jikko.values import Json

_NAME_LENGTH: Final = 20
"""Characters of the first question that a conversation is called by until it has a name."""

_PLACE: Final = re.compile(r"{{\s*([a-zA-Z_][a-zA-Z0-9_]{0,29})\s*}}")


def introduction(workflow: Workflow, inputs: Mapping[str, Json]) -> str:
    """The opening statement with inputs in the places that name them; places that name none stay. Source:
    docs/dify-behaviour.md, “Conversations and messages” (``introduction``)."""
    statement = workflow.document.features.get("opening_statement")
    if not statement:
        return ""

    def filled(place: re.Match[str]) -> str:
        name = place[1]
        if name not in inputs:
            return place[0]
        return "" if inputs[name] is None else to_text(inputs[name])

    return _PLACE.sub(filled, statement)


def new_conversation(asked: UserQuery, id_: str, *, title_due: bool, now: float) -> Conversation:
    """The conversation that begins with a question, at ``now`` (seconds since the Unix epoch)."""
    query = asked.query
    return Conversation(
        id=id_,
        app_id=asked.app.id,
        end_user_id=asked.end_user_id,
        user=asked.user,
        name=query if len(query) <= _NAME_LENGTH else f"{query[:_NAME_LENGTH]}…",
        inputs=dict(asked.inputs),
        introduction=introduction(asked.workflow, asked.inputs),
        created_at=now,
        updated_at=now,
        title_due=title_due,
    )


def new_variable(app: App, declared: Variable, now: float) -> ConversationVariable:
    """A variable of a conversation, as a workflow declares it."""
    # The id is the same in all conversations, also of a file that gives none.
    id_ = declared.id.lower() if is_uuid(declared.id) else str(uuid5(NAMESPACE_OID, f"{app.id}/{declared.name}"))
    return ConversationVariable(
        id=id_,
        name=declared.name,
        value_type=declared.value_type,
        value=declared.value,
        description=declared.description,
        created_at=now,
        updated_at=now,
    )
