"""Migration of old node configurations to the current form.

Decided by shape, never by the file's version. Nothing is changed in place: YAML aliases share values.

Source: docs/dify-behaviour.md, “Older files”. Two migrations are elsewhere: ``dsl.structure`` adds missing start nodes,
``dsl.conditions`` reads the old form of if-else. One is not done: a missing ``retry_config`` of an HTTP node stays
missing, because Dify's engine treats it as "no retries", whatever its editor shows. Settings of tools are left alone:
their meaning depends on the node's version (``nodes.tools.given``).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, shown
from jikko.dsl.types import OLD_TYPE_NAMES
from jikko.values import Json

_Data: TypeAlias = Mapping[str, Any]

_BARE_NAME: Final = re.compile(r"[a-z0-9_-]+")


def repair_node(data: _Data) -> _Data:
    """Migrate a node's ``data``. Unknown keys are kept."""
    kind = data.get("type")
    if not isinstance(kind, str):
        return data
    if kind in OLD_TYPE_NAMES:
        data = {**data, "type": OLD_TYPE_NAMES[kind]}
    if data.get("error_strategy") == "none":
        data = {**data, "error_strategy": None}
    repair = _REPAIRS.get(kind)
    return data if repair is None else repair(data)


def repair_features(features: _Data) -> _Data:
    """Migrate ``features``: the old image switch becomes the general form. Source: docs/dify-behaviour.md,
    “Features”."""
    upload = features.get("file_upload")
    if not isinstance(upload, Mapping):
        return features
    image = upload.get("image")
    if not isinstance(image, Mapping) or not image.get("enabled"):
        return features
    methods = image.get("transfer_methods") or ["remote_url", "local_file"]
    general = {
        "allowed_file_types": ["image"],
        "allowed_file_extensions": [],
        **{key: value for key, value in upload.items() if key != "image"},
        "enabled": True,
        "number_limits": image.get("number_limits") or 3,
        "allowed_file_upload_methods": methods,
    }
    return {**features, "file_upload": general}


def model_provider(name: str) -> str:
    """Return a model provider's full name, ``org/plugin/provider``. Only bare names are changed."""
    if not _BARE_NAME.fullmatch(name):
        return name
    return "langgenius/gemini/google" if name == "google" else f"langgenius/{name}/{name}"


def _changed(value: Json, *path: str, by: Callable[[Json], Json]) -> Json:
    """Return a value with the end of a key path changed; the same value if the path does not exist."""
    if not path:
        return by(value)
    if not isinstance(value, Mapping) or path[0] not in value:
        return value
    return {**value, path[0]: _changed(value[path[0]], *path[1:], by=by)}


def _each(change: Callable[[_Data], _Data]) -> Callable[[Json], Json]:

    def change_all(items: Json) -> Json:
        if not isinstance(items, list):
            return items
        return [change(item) if isinstance(item, Mapping) else item for item in items]

    return change_all


def _parameter_extractor(data: _Data) -> _Data:
    def parameter(entry: _Data) -> _Data:
        renamed = {"bool": "boolean", "select": "string"}.get(str(entry.get("type")))
        return {**entry, "type": renamed} if renamed else entry

    data = _changed(data, "parameters", by=_each(parameter))
    return data if data.get("reasoning_mode") else {**data, "reasoning_mode": "function_call"}


def _knowledge_retrieval(data: _Data) -> _Data:
    for path in (
        ("multiple_retrieval_config", "reranking_model", "provider"),
        ("multiple_retrieval_config", "weights", "vector_setting", "embedding_provider_name"),
        ("single_retrieval_config", "model", "provider"),
        ("metadata_model_config", "provider"),
    ):
        data = _changed(data, *path, by=lambda name: model_provider(name) if isinstance(name, str) else name)
    return data


def _http_request(data: _Data) -> _Data:
    body = data.get("body")
    if not isinstance(body, Mapping):
        return data
    content = body.get("data")
    if body.get("type") == "none" or not content:
        content = []
    elif isinstance(content, str):
        content = [{"key": "", "type": "text", "value": content}]
    return {**data, "body": {**body, "data": content}}


def _human_input(data: _Data) -> _Data:
    def member(item: _Data) -> _Data:
        renamed: _Data = _renamed(item, "user_id", "reference_id")
        return renamed

    def method(entry: _Data) -> _Data:
        entry = _changed(
            entry, "config", "recipients", by=lambda value: _renamed(value, "whole_workspace", "include_bound_group")
        )
        entry = _changed(entry, "config", "recipients", "items", by=_each(member))
        return entry

    changed: _Data = _changed(data, "delivery_methods", by=_each(method))
    return changed


def _renamed(value: Any, old: str, new: str) -> Any:
    if not isinstance(value, Mapping) or old not in value or new in value:
        return value
    return {new if key == old else key: item for key, item in value.items()}


def _iteration(data: _Data) -> _Data:
    return {
        **data,
        "is_parallel": data.get("is_parallel") or False,
        "parallel_nums": data.get("parallel_nums") or 10,
        "error_handle_mode": data.get("error_handle_mode") or "terminated",
    }


def _end(data: _Data) -> _Data:
    def output(entry: _Data) -> _Data:
        kind = entry.get("value_type") or "any"
        return {**entry, "value_type": kind.lower() if isinstance(kind, str) else kind}

    changed: _Data = _changed(data, "outputs", by=_each(output))
    return changed


_REPAIRS: Final[Mapping[str, Callable[[_Data], _Data]]] = {
    "end": _end,
    "http-request": _http_request,
    "human-input": _human_input,
    "iteration": _iteration,
    "knowledge-retrieval": _knowledge_retrieval,
    "parameter-extractor": _parameter_extractor,
}


_SWITCHES: Final = (
    "file_upload more_like_this retriever_resource sensitive_word_avoidance speech_to_text "
    "suggested_questions_after_answer text_to_speech"
)
_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    **dict.fromkeys(_SWITCHES.split(), (Mapping, "not a mapping", "expected a mapping such as {enabled: true}")),
    "opening_statement": (str, "not a text", "put it in quotes"),
    "suggested_questions": (list, "not a list", "expected a list of texts"),
}
"""Required types of features, and the problem otherwise."""


def read_features(features: Fields) -> Mapping[str, Any]:
    """Read the features in the current form. Runs do not depend on them: invalid ones are left out with a warning."""
    kept: dict[str, Json] = {}
    for name, value in features.raw.items():
        kind, *refusal = _KINDS.get(name, (object,))
        if value is not None and not isinstance(value, kind):
            _ignored(features, name, value, *refusal)
        elif value is not None and kind is list:
            kept[name] = [item for index, item in enumerate(value) if _is_question(features, index, item)]
        else:
            kept[name] = value
    return repair_features(kept)


def _is_question(features: Fields, index: int, item: Json) -> bool:
    if not isinstance(item, str):
        _ignored(features, f"suggested_questions[{index}]", item, "not a text", "put it in quotes")
    return isinstance(item, str)


def _ignored(features: Fields, name: str, value: Json, what: str, hint: str) -> None:
    features.problem(name, Phrase("document.ignored", {"value": shown(value), "reason": what}), hint, fatal=False)
