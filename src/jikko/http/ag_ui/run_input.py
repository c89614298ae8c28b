"""Requests of AG-UI clients, as questions. Source: AG-UI's specification 1.0, “RunAgentInput”."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from jikko.errors import InvalidParam
from jikko.http.questions.question import Question, question
from jikko.values import Json

_ROLES: Final = ("user", "assistant", "system", "developer")
"""Those of messages that say something; an app knows itself what its tools answered and its models thought."""
_FILES: Final = ("image", "audio", "video", "document")


class ResumeEntry(Struct, rename="camel"):
    """The answer to an interrupt."""

    interrupt_id: str
    status: Literal["resolved", "cancelled"]
    payload: Json = None


class RunAgentInput(Struct, rename="camel"):
    """A request of AG-UI. Fields that are not named here change nothing: an app has its own tools and state."""

    thread_id: Annotated[
        str, Meta(min_length=1, max_length=255, description="The conversation: its id, or any text of the user's.")
    ]
    run_id: Annotated[str, Meta(min_length=1, max_length=255, description="The name of this request in its answer.")]
    messages: Annotated[
        list[dict[str, Json]], Meta(description="The last asks. Those before are the memory of a new conversation.")
    ]
    resume: Annotated[
        list[ResumeEntry] | None,
        Meta(description="Answers to interrupts, in the place of a question: {action, inputs} of the form."),
    ] = None
    forwarded_props: Annotated[
        dict[str, Json] | None, Meta(description="`user`, the end user; `inputs`, those of the app's form by name.")
    ] = None


def question_of(messages: list[dict[str, Json]]) -> Question:
    """The question of a list of messages.

    Raises:
        InvalidParam: A message or a file is wrong, or the last that says something is not the user's.
    """
    said = [
        {"role": message["role"], "content": _content(message.get("content"), f"messages[{position}].content")}
        for position, message in enumerate(messages)
        if message.get("role") in _ROLES
    ]
    return question(said)


def _content(content: Json, where: str) -> Json:
    if not isinstance(content, list):
        return content
    return [_part(part, f"{where}[{position}]") for position, part in enumerate(content)]


def _part(part: Json, where: str) -> Json:
    """A part of a message in the words of ``question``."""
    if not isinstance(part, dict) or part.get("type") not in _FILES:
        return part
    source: Any = part.get("source")
    value = source.get("value") if isinstance(source, dict) else None
    if not isinstance(value, str) or not value:
        raise InvalidParam(f"{where}.source: must have a type (data, url or file) and a value")
    if source.get("type") == "data":
        value = f"data:{source.get('mimeType') or ''};base64,{value}"
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": value}}
    return {"type": "file", "file": {"file_data": value}}


def answers_of(entries: list[ResumeEntry]) -> Iterator[tuple[str, str | None, Mapping[str, Json]]]:
    """Tokens of forms, each with the action that is chosen (``None``: the run is to end) and the inputs.

    Raises:
        InvalidParam: An answer has no action, or wrong inputs.
    """
    for position, entry in enumerate(entries):
        if entry.status == "cancelled":
            yield entry.interrupt_id, None, {}
            continue
        payload: Any = entry.payload
        inputs = payload.get("inputs") or {} if isinstance(payload, dict) else None
        if not isinstance(inputs, dict) or not isinstance(payload.get("action"), str):
            raise InvalidParam(f"resume[{position}].payload: must be an object with action, a string, and inputs")
        yield entry.interrupt_id, payload["action"], inputs
