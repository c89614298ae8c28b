"""Catalogue of texts by code, one JSON file a language: ``en.json``, ``ja.json``."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "ja"]

_PLACE: Final = re.compile(r"\{(\w+)\}")


def worded(code: str, params: Mapping[str, object] | None = None, language: Language = "en") -> str:
    """Return the text of a code, with each ``{name}`` replaced by its parameter."""
    return _PLACE.sub(lambda place: str((params or {}).get(place[1], place[0])), texts(language)[code])


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Return all texts of a language by code, loaded at first use."""
    found: Mapping[str, str] = json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))
    return found


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language of messages by ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``; by default English."""
    asked = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "ja" if re.split(r"[_.@]", asked)[0] == "ja" else "en"
