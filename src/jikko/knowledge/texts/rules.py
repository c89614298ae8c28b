"""Process rules of documents, which determine cleaning and cutting, as sent and stored."""

from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from jikko.errors import InvalidParam
from jikko.ports.files.documents import DocumentFailure
from jikko.values import Json

Mode: TypeAlias = Literal["automatic", "custom", "hierarchical"]

MIN_SIZE: Final = 50
MAX_SIZE: Final = 4000
"""Maximum characters of a chunk. Source: docs/dify-behaviour.md, “Cutting texts”."""


class CuttingError(DocumentFailure):
    """An unusable rule, such as one with numbers out of range: the document's error."""


class Segmentation(Struct, frozen=True):
    """Cutting settings. Lengths are in characters."""

    max_tokens: int
    separator: str = "\n"
    chunk_overlap: int = 0

    def check(self) -> None:
        """Raises ``CuttingError`` if they are invalid."""
        if not MIN_SIZE <= self.max_tokens <= MAX_SIZE:
            raise CuttingError("cutting.length", {"min": MIN_SIZE, "max": MAX_SIZE})
        if self.chunk_overlap > self.max_tokens:
            raise CuttingError("cutting.overlap", {"overlap": self.chunk_overlap, "length": self.max_tokens})


AUTOMATIC: Final[dict[str, Json]] = {
    "mode": "automatic",
    "rules": {
        "pre_processing_rules": [
            {"id": "remove_extra_spaces", "enabled": True},
            {"id": "remove_urls_emails", "enabled": False},
        ],
        "segmentation": {"delimiter": "\n", "max_tokens": 500, "chunk_overlap": 50},
    },
}
"""Rule of the automatic mode, stored whatever rules a request has."""


class ProcessRule(Struct, frozen=True):
    """Validated rule."""

    mode: Mode
    cleaning: frozenset[str]
    """Ids of the cleaning rules."""
    segmentation: Segmentation
    children: Segmentation | None = None
    full_doc: bool = False
    """Whether the whole document is one parent."""


def rule_of(kept: dict[str, Any]) -> ProcessRule:
    """Decode a stored rule of ``checked_rule``. Raises ``CuttingError`` if it is unusable."""
    rules = kept.get("rules") or {}
    cleaning = frozenset(each["id"] for each in rules.get("pre_processing_rules") or () if each.get("enabled"))
    if kept["mode"] == "automatic":
        return ProcessRule("automatic", cleaning, Segmentation(500, chunk_overlap=50))
    segmentation, children, full_doc = _segmentation(rules["segmentation"]), None, False
    if kept["mode"] == "hierarchical":
        if rules.get("subchunk_segmentation") is None:
            raise CuttingError("cutting.no_subchunks")
        children, full_doc = _segmentation(rules["subchunk_segmentation"]), rules.get("parent_mode") == "full-doc"
        children.check()
    if not full_doc:
        segmentation.check()
    return ProcessRule(kept["mode"], cleaning, segmentation, children, full_doc)


def _segmentation(given: dict[str, Any]) -> Segmentation:
    return Segmentation(given["max_tokens"], given.get("separator") or "\n", given.get("chunk_overlap") or 0)


def checked_rule(given: Any, form: str) -> dict[str, Json]:
    """Validate a client's rule for a form. Raises ``InvalidParam``. Source: docs/dify-behaviour.md, “Knowledge API”."""
    if not isinstance(given, dict):
        raise InvalidParam("process_rule: must be an object")
    mode = given.get("mode")
    if mode not in ("automatic", "custom", "hierarchical"):
        raise InvalidParam("process_rule.mode: must be 'automatic', 'custom' or 'hierarchical'")
    if form == "hierarchical_model" and mode != "hierarchical":
        raise InvalidParam("process_rule.mode: must be 'hierarchical' for documents of parents and children")
    if mode == "automatic":
        return AUTOMATIC
    rules = given.get("rules")
    if not isinstance(rules, dict) or not rules:
        raise InvalidParam("Process rule rules is required")
    cleaning = rules.get("pre_processing_rules")
    if cleaning is None:
        raise InvalidParam("Process rule pre_processing_rules is required")
    parent_mode, children = rules.get("parent_mode"), rules.get("subchunk_segmentation")
    if parent_mode not in (None, "paragraph", "full-doc"):
        raise InvalidParam("process_rule.rules.parent_mode: must be 'paragraph' or 'full-doc'")
    if mode == "hierarchical":
        parent_mode = parent_mode or "paragraph"
    segmentation = _checked_segmentation(rules.get("segmentation"), "segmentation")
    if not segmentation["max_tokens"] and (mode != "hierarchical" or parent_mode != "full-doc"):
        raise InvalidParam("Process rule segmentation max_tokens is required")
    kept: dict[str, Json] = {
        "pre_processing_rules": _checked_cleaning(cleaning),
        "segmentation": segmentation,
        "parent_mode": parent_mode,
        "subchunk_segmentation": None if children is None else _checked_segmentation(children, "subchunk_segmentation"),
    }
    return {"mode": mode, "rules": kept}


def _checked_cleaning(given: Any) -> list[dict[str, Json]]:
    if not isinstance(given, list):
        raise InvalidParam("process_rule.rules.pre_processing_rules: must be a list")
    kept = {}
    for each in given:
        if (
            not isinstance(each, dict)
            or not isinstance(each.get("id"), str)
            or not each["id"]
            or not isinstance(each.get("enabled"), bool)
        ):
            raise InvalidParam(
                "process_rule.rules.pre_processing_rules: each has an id (text) and enabled (true or false)"
            )
        kept[each["id"]] = {"id": each["id"], "enabled": each["enabled"]}
    return list(kept.values())


def _checked_segmentation(given: Any, name: str) -> dict[str, Json]:
    where = f"process_rule.rules.{name}"
    if not isinstance(given, dict):
        raise InvalidParam(f"Process rule {name} is required")
    separator = given.get("separator", "\n")
    if not isinstance(separator, str) or not separator:
        raise InvalidParam(f"{where}.separator: must be a text that is not empty")
    for number, least in (("max_tokens", None), ("chunk_overlap", 0)):
        value = given.get(number, least)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1 << 31:
            raise InvalidParam(f"{where}.{number}: must be a whole number")
    if given.get("chunk_overlap", 0) < 0:
        raise InvalidParam(f"{where}.chunk_overlap: must be at least 0")
    return {"separator": separator, "max_tokens": given["max_tokens"], "chunk_overlap": given.get("chunk_overlap", 0)}
