"""Example shell commands that a server prints for trying out an app."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from jikko.apps.environment import Outside
from jikko.apps.versions import Workflow, check
from jikko.assemble.assembly import Assembly
from jikko.assemble.installation import installation_of
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.document import CHAT_MODES
from jikko.dsl.json_schema import BadSchema, JsonSchema
from jikko.dsl.start_variables import StartVariable
from jikko.dsl.text.positions import Positions
from jikko.forecast.forecast import forecast
from jikko.forecast.outcome import outcome_sentence
from jikko.inputs.file_inputs import rules_of_input
from jikko.inputs.samples import samples_of
from jikko.nodes.registry import BY_TYPE
from jikko.ports.files.file_types import UNKNOWN, mime_type_of
from jikko.repositories.app_store import App
from jikko.values import Json

_USER: Final = "me"
_QUESTION: Final = "Hello!"
_NAMES: Final = {"document": "sample.txt", "image": "sample.png", "audio": "sample.mp3", "video": "sample.mp4"}
"""Sample file names of each type, which follows from the extension."""
_ID: Final = """sed 's/.*"id": *"\\([^"]*\\)".*/\\1/'"""
"""Extracts the id from the response to an upload."""


def bearer(key: str, file: Path | None) -> str:
    """Return the authorisation header for ``curl``, quoted for a shell. ``file``: Has the key, which is not shown."""
    if file is None:
        return shlex.quote(f"Authorization: Bearer {key}")
    return f'"Authorization: Bearer $(cat {shlex.quote(str(file))})"'


async def decisive(assembly: Assembly, app: App) -> Diagnostic | None:
    """Return the reason why every run of an app will fail here, as found by ``jikko check``."""
    settings = assembly.settings
    version = await assembly.apps.version(app, "")
    checked = check(version.source, source=app.name, node_classes=BY_TYPE)
    stored = {app.name: json.loads(app.environment)} if app.environment else {}
    found = forecast(checked, installation_of(settings), Outside(settings.env, stored))
    decisive = found.decisive if found.verdict == "will_fail" else None
    if decisive is None or not decisive.where:
        return decisive
    line, column = Positions(version.source).at(decisive.where) or (0, 0)
    return replace(decisive, line=line, column=column)


def example_lines(
    base: str,
    authorization: str,
    workflow: Workflow,
    decisive: Diagnostic | None = None,
    *,
    response_mode: str = "streaming",
) -> list[str]:
    """Return commands that start a run of a workflow, after uploading files; or one line with the reason why there are
    none. A chat app is asked a question.

    Args:
        base: Base URL of the server, such as ``http://127.0.0.1:8000``.
        authorization: See ``bearer``.
        decisive: The reason why every run will fail, if known, reported as by ``jikko check``.
    """
    if decisive is not None and decisive.node == workflow.graph.root_id:
        return [f"  no command to try it with: {outcome_sentence(decisive)}"]
    if reason := why_not(workflow):
        return [f"  no command to try it with: {reason}"]
    inputs = samples_of(workflow.inputs)
    upload = shlex.quote(f"{base}/v1/files/upload")
    uploads: list[str] = []
    ids: dict[str, str] = {}
    for variable in workflow.inputs:
        if variable.name in inputs and variable.type in ("file", "file-list"):
            declared, name = _sample_file(variable) or ("", "")
            mark = f"JIKKO_FILE_{len(uploads) + 1}"
            ids[mark] = shell = f"FILE_{len(uploads) + 1}"
            file = {"type": declared, "transfer_method": "local_file", "upload_file_id": mark}
            inputs[variable.name] = [file] if variable.type == "file-list" else file
            uploads.append(
                f"  {shell}=$(echo sample | curl -s {upload} -H {authorization} -F user={_USER} "
                f"-F {shlex.quote(f'file=@-;filename={name};type={mime_type_of(name) or UNKNOWN}')} | {_ID})"
            )
    mode = workflow.document.mode
    is_chat = mode in CHAT_MODES
    body = {"inputs": inputs, "user": _USER, "response_mode": response_mode}
    path = "chat-messages" if is_chat else "workflows/run" if mode == "workflow" else "completion-messages"
    if is_chat:
        body = {"query": _QUESTION, **body, "conversation_id": ""}
    start = shlex.quote(f"{base}/v1/{path}")
    return [
        *([] if decisive is None else [f"  {outcome_sentence(decisive)}"]),
        *uploads,
        f"  curl -N {start} -H {authorization} -H 'Content-Type: application/json' -d {_word(body, ids)}",
    ]


def why_not(workflow: Workflow) -> str:
    """Return the reason why there are no example inputs; ``""`` if there are."""
    return next(filter(None, (_without_sample(variable) for variable in workflow.inputs if variable.required)), "")


def _without_sample(variable: StartVariable) -> str:
    what = f"its input {variable.name!r} "
    if variable.type in ("file", "file-list") and _sample_file(variable) is None:
        methods = variable.allowed_file_upload_methods
        if methods and "local_file" not in methods:
            return what + "accepts files only by URL"
        return what + "accepts no file extension"
    if variable.type == "json_object" and not _fits(samples_of([variable])[variable.name], variable.json_schema):
        return what + "has a JSON schema for which no sample was found"
    return ""


def _fits(value: Json, schema: Mapping[str, Any] | None) -> bool:
    try:
        return not schema or JsonSchema(schema, "draft 7").violation(value) is None
    except BadSchema:
        return False


def _sample_file(variable: StartVariable) -> tuple[str, str] | None:
    """Return type and name of a file that the input accepts as an upload."""
    rules = rules_of_input(variable)
    endings: Sequence[str] = sorted(rules.extensions)
    candidates = [*_NAMES.items(), *(("custom", f"sample{ending}") for ending in endings)]
    for declared, name in candidates:
        if rules.allow(declared, Path(name).suffix, "local_file"):
            return declared, name
    return None


def _word(body: Json, variables: Mapping[str, str]) -> str:
    """Return JSON quoted for a shell, with some texts replaced by shell variables."""
    word = shlex.quote(json.dumps(body, ensure_ascii=False))
    for text, variable in variables.items():
        word = word.replace(f'"{text}"', f'"\'"${variable}"\'"')
    return word
