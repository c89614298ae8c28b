"""Question of a list of messages. No I/O.

The user's last message is the question. The messages before it become the initial memory of a new conversation; an
existing one has its own, and only the question counts. Instructions (``system``, ``developer``) are the oldest part of
that memory and never replace the app's own prompts.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from jikko.conversations.turns import EarlierTurn
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.repositories.app_store import App
from jikko.values import Json

MAX_MESSAGES: Final = 2_000
_INSTRUCTIONS: Final = ("system", "developer")
_TEXTS: Final = ("text", "input_text", "output_text")
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_FORMAT: Final = re.compile(r"[\w.+-]{1,40}", re.ASCII)
_TEXT_INPUTS: Final = ("text-input", "paragraph")


class FilePart(Struct, frozen=True):
    """File of a message: a URL, an upload ID, or bytes."""

    kind: str
    """``image``, ``audio``, or ``""``: from its media type."""
    url: str = ""
    upload_id: str = ""
    name: str = ""
    media_type: str = ""
    data: bytes = b""


class Question(Struct, frozen=True):
    """Question with its context."""

    query: str
    files: tuple[FilePart, ...] = ()
    earlier: tuple[EarlierTurn, ...] = ()
    field: str = "messages"
    """Field name in errors."""


def question(messages: Sequence[Mapping[str, Any]], instructions: str = "", field: str = "messages") -> Question:
    """Read the question from a list of messages.

    Args:
        instructions: Additional ones, before those of the list.
        field: Name of the list in errors.

    Raises:
        InvalidParam: Invalid message, or the last one other than instructions is not the user's.
    """
    if len(messages) > MAX_MESSAGES:
        raise InvalidParam(f"{field}: at most {MAX_MESSAGES} messages; there are {len(messages)}")
    rules = [instructions] if instructions else []
    said: list[tuple[str, str]] = []
    files: tuple[FilePart, ...] = ()
    for position, message in enumerate(messages):
        where = f"{field}[{position}]"
        role = message.get("role")
        text, files_here = _content(message.get("content"), f"{where}.content")
        if role in _INSTRUCTIONS:
            rules.append(text)
        elif role in ("user", "assistant"):
            said.append((role, text))
            files = files_here
        else:
            raise InvalidParam(
                f"{where}.role: must be system, developer, user or assistant; an app calls its own tools"
            )
    if not said or said[-1][0] != "user":
        raise InvalidParam(f"{field}: the last message must be the user's")
    query = said.pop()[1]
    return Question(query, files, tuple(_turns(rules, said)), field)


def _turns(rules: Sequence[str], said: Iterable[tuple[str, str]]) -> Iterable[EarlierTurn]:
    if any(rules):
        yield EarlierTurn("\n\n".join(rules))
    asked: str | None = None
    answers: list[str] = []
    for role, text in said:
        if role == "assistant":
            answers.append(text)
            continue
        if asked is not None:
            yield EarlierTurn(asked, "\n".join(answers))
        # Text before the first question is the greeting, and the app has its own.
        asked, answers = text, []
    if asked is not None:
        yield EarlierTurn(asked, "\n".join(answers))


def _content(content: Any, where: str) -> tuple[str, tuple[FilePart, ...]]:
    if content is None:
        return "", ()
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        raise InvalidParam(f"{where}: must be a text or a list of parts")
    texts: list[str] = []
    files: list[FilePart] = []
    for position, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "refusal":
            texts.append(str(part.get("refusal") or ""))
        else:
            files.append(_file(kind, part, f"{where}[{position}]"))
    return "\n".join(texts), tuple(files)


def _file(kind: Any, part: Any, where: str) -> FilePart:
    """Read a file part of either API."""
    inner = part.get(kind) if isinstance(kind, str) else None
    match kind:
        case "image_url" | "input_image":
            url = inner.get("url") if isinstance(inner, dict) else part.get("image_url") or part.get("file_id")
            if isinstance(url, str) and url:
                return _addressed(url, "image", "", where)
        case "input_audio" if isinstance(inner, dict) and isinstance(inner.get("data"), str):
            form = str(inner.get("format") or "wav")
            if not _FORMAT.fullmatch(form):
                raise InvalidParam(f"{where}.input_audio.format: must be the name of a format, such as wav")
            return FilePart(
                "audio",
                name=f"audio.{form}",
                media_type=_AUDIO.get(form, f"audio/{form}"),
                data=_bytes(inner["data"], where),
            )
        case "file" | "input_file":
            given = inner if isinstance(inner, dict) else part
            name = str(given.get("filename") or "")
            for found in (given.get("file_data"), given.get("file_url"), given.get("file_id")):
                if isinstance(found, str) and found:
                    return _addressed(found, "", name, where)
    raise InvalidParam(f"{where}: must be a part of type text, image_url, input_audio or file, with its content")


_AUDIO: Final = {"mp3": "audio/mpeg", "wav": "audio/wav"}


def _addressed(given: str, kind: str, name: str, where: str) -> FilePart:
    if given.startswith(("http://", "https://")):
        return FilePart(kind, url=given, name=name)
    if not given.startswith("data:"):
        return FilePart(kind, upload_id=given, name=name)
    head = _DATA_URL.match(given)
    if head is None or head[3] is None:
        raise InvalidParam(f"{where}: a data: address must have its content in base64")
    media_type = head[1] or "application/octet-stream"
    extension = media_type.partition("/")[2].partition("+")[0]
    return FilePart(
        kind,
        name=name or f"{kind or 'file'}.{extension}",
        media_type=media_type,
        data=_bytes(given[head.end() :], where),
    )


def _bytes(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParam(f"{where}: its content is not base64") from None


def model_id(app: App) -> str:
    """Return an app's model name: its lower-case name, with ``-`` for other characters than letters and digits."""
    return re.sub(r"[^\w.]+", "-", app.name.casefold()).strip("-") or app.id


def inputs_of(variables: Iterable[StartVariable], given: Mapping[str, Json] | None, query: str) -> Mapping[str, Json]:
    """Return the inputs of an app with a form.

    Args:
        given: Inputs of the client; ``None``: the question goes into the only text input.

    Raises:
        InvalidParam: ``given`` is ``None``, and no single text input qualifies.
    """
    if given is not None:
        return given
    variables = list(variables)
    texts = [variable for variable in variables if variable.type in _TEXT_INPUTS]
    meant = [variable for variable in texts if variable.required] or texts
    others = [variable.name for variable in variables if variable.required and variable not in meant]
    if not variables:
        return {}
    if len(meant) != 1 or others:
        names = ", ".join(repr(variable.name) for variable in variables)
        raise InvalidParam(
            f"inputs: the app takes {names}: give them by name as inputs (extra_body) or metadata.inputs"
        )
    return {meant[0].name: query}
