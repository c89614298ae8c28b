"""Reads how callers of webhooks prove who they are: entries of the triggers file that have ``verify``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.dsl.operator_file import OperatorFile, filled_in, read_operator_file
from jikko.triggers.verification import ALGORITHMS, ENCODINGS, PRESETS, Verification

_ENTRY: Final = ("verify", "secret", "secrets", "id_header", "remembered", "tolerance")
_TEMPLATE: Final = (
    "header",
    "signed",
    "algorithm",
    "encoding",
    "prefix",
    "separator",
    "timestamp_header",
    "timestamp_prefix",
    "id_header",
)
_MAX_SECRETS: Final = 2


def read_verifications(file: Path | None, environment: Mapping[str, str]) -> dict[str, Verification]:
    """How callers of webhooks are verified, by triggers: ``APP/NODE`` or ids; nothing if there is no file.

    Args:
        environment: What ``${NAME}`` in the file stands for. Where a name is not set, every call is refused.

    Raises:
        InvalidSettings: The file cannot be read. Carries every problem found.
    """
    if file is None:
        return {}
    return parse_verifications(read_operator_file(file, "triggers"), environment, source=str(file))


def parse_verifications(
    text: bytes | str, environment: Mapping[str, str], *, source: str = "triggers file"
) -> dict[str, Verification]:
    """What a text says. See ``read_verifications``."""
    file = OperatorFile(text, "triggers", source, ("triggers",))
    entries = file.root.mapping("triggers").entries()
    found = {name: _entry(fields, environment) for name, fields in entries if "verify" in fields.raw}
    file.require_no_problems()
    return found


def _entry(fields: Fields, environment: Mapping[str, str]) -> Verification:
    unset: list[str] = []
    fields = filled_in(fields, environment, unset)
    fields.check_names(_ENTRY)
    how = _template(fields.mapping("verify")) if isinstance(fields.get("verify"), dict) else _preset(fields)
    secrets = fields.items("secrets") or [fields.get("secret")]
    texts = tuple(secret for secret in secrets if isinstance(secret, str) and secret)
    if (not unset and len(texts) != len(secrets)) or len(texts) > _MAX_SECRETS:
        fields.problem(
            "secrets", Phrase("document.missing"), Phrase("remedy.expected", {"wanted": "secrets: [${NAME}]"})
        )
    if not all(secret.isascii() and secret.isprintable() for secret in texts):
        # No header has others, and what is not UTF-8 has no bytes.
        wanted = Phrase("remedy.expected", {"wanted": "ASCII"})
        fields.problem("secrets", Phrase("document.missing"), wanted)
    more: dict[str, Any] = {"remembered": float(fields.integer("remembered", int(how.remembered), minimum=1))}
    more["tolerance"] = float(fields.integer("tolerance", int(how.tolerance), minimum=1))
    if id_header := fields.text("id_header"):
        more["id_header"] = id_header.lower()
    # Nothing fits an empty list: a secret that is not set lets nobody in.
    return replace(how, secrets=() if unset else texts, **more)


def _preset(fields: Fields) -> Verification:
    return PRESETS[fields.choice("verify", tuple(PRESETS), "standard-webhooks")]


def _template(fields: Fields) -> Verification:
    fields.check_names(_TEMPLATE)
    given: Any = {name: fields.text(name) for name in _TEMPLATE if name in fields.raw}
    for name in ("header", "timestamp_header", "id_header"):
        if name in given:
            given[name] = given[name].lower()
    fields.text("header", required=True)
    if "algorithm" in given:
        given["algorithm"] = fields.choice("algorithm", ALGORITHMS, "sha256")
    if "encoding" in given:
        given["encoding"] = fields.choice("encoding", ENCODINGS, "hex")
    how = Verification(**given)
    if how.signed.count("{body}") != 1:
        fields.problem(
            "signed", Phrase("document.missing"), Phrase("remedy.expected", {"wanted": "{timestamp}.{body}"})
        )
    if "{timestamp}" in how.signed and not (how.timestamp_header or how.timestamp_prefix):
        wanted = Phrase("remedy.expected", {"wanted": "timestamp_header"})
        fields.problem("timestamp_header", Phrase("document.missing"), wanted)
    return how
