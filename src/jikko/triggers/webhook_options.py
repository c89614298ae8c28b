"""Operator's options of webhooks, besides those of the workflow: entries of the triggers file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from jikko.dsl.fields import MISSING, Fields, bad_value, expected
from jikko.dsl.operator_file import OperatorFile, duration_of, filled_in, read_operator_file
from jikko.ids import is_uuid
from jikko.triggers.verification import ALGORITHMS, ENCODINGS, PRESETS, Verification

_VERIFYING: Final = ("verify", "secret", "secrets", "id_header", "remembered", "tolerance")
OPTIONS: Final = (*_VERIFYING, *("address", "once", "retries", "wait", "wait_within"))
"""Names of all options. An entry with one of them belongs to a webhook."""
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
ID: Final = "id"
"""Option of every kind of trigger."""
_MAX_SECRETS: Final = 2
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_-]{24,64}")
_ADDRESSES: Final = "expected 24 to 64 of A-Z a-z 0-9 - _: without verify it is all that lets callers in"
_MAX_RETRIES: Final = 100
_WAIT_SECONDS: Final = 30.0


class WebhookOptions(Struct, frozen=True, kw_only=True):
    verification: Verification | None = None
    """How callers are verified; ``None``: by the address alone."""
    address: str = ""
    """Custom last part of the webhook's address; empty: the generated one."""
    by_body: bool = False
    """Whether calls without a sender's id are deduplicated by body."""
    retries: int = 0
    """Maximum number of retries of a failed run."""
    wait_within: float = 0.0
    """Seconds for which the answer waits for the run's result; 0: it does not."""


def read_webhook_options(file: Path | None, environment: Mapping[str, str]) -> dict[str, WebhookOptions]:
    """Read the options of webhooks, by ``APP/NODE`` or trigger id; empty without a file. ``environment``: For
    ``${NAME}``; an unset secret refuses every call. Raises ``InvalidSettings``, with every problem, if the file
    cannot be read."""
    if file is None:
        return {}
    return parse_webhook_options(read_operator_file(file, "triggers"), environment, source=str(file))


def parse_webhook_options(
    text: bytes | str, environment: Mapping[str, str], *, source: str = "triggers file"
) -> dict[str, WebhookOptions]:
    """Parse the text of a triggers file. See ``read_webhook_options``."""
    file = OperatorFile(text, "triggers", source, ("triggers",))
    entries = file.root.mapping("triggers").entries()
    found = {name: _entry(fields, environment) for name, fields in entries if is_of_webhook(fields)}
    addresses = [options.address for options in found.values() if options.address]
    for name, fields in entries:
        if name in found and addresses.count(found[name].address) > 1:
            fields.problem("address", "is that of two webhooks", "expected another one")
    _ids(entries, environment)
    file.require_no_problems()
    return found


def read_trigger_ids(file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Read the ids for new triggers, by ``APP/NODE``. ``environment``, errors: as for ``read_webhook_options``."""
    read = OperatorFile(read_operator_file(file, "triggers"), "triggers", str(file), ("triggers",))
    found = _ids(read.root.mapping("triggers").entries(), environment)
    read.require_no_problems()
    return found


def _ids(entries: Sequence[tuple[str, Fields]], environment: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, given in entries:
        if ID not in given.raw:
            continue
        fields = filled_in(given, environment, [])
        id_ = fields.text(ID).lower()
        if not is_uuid(id_):
            fields.problem(ID, bad_value(fields.shown(ID)), "expected a UUID")
        elif id_ in found.values():
            fields.problem(ID, "is that of two triggers", "expected another one")
        found[name] = id_
    return found


def is_of_webhook(fields: Fields) -> bool:
    """Return whether an entry of the triggers file belongs to a webhook, rather than to a schedule."""
    return any(name in fields.raw for name in OPTIONS)


def _entry(fields: Fields, environment: Mapping[str, str]) -> WebhookOptions:
    unset: list[str] = []
    fields = filled_in(fields, environment, unset)
    fields.check_names((*OPTIONS, ID))
    verification = _verification(fields, unset) if any(name in fields.raw for name in _VERIFYING) else None
    address = fields.text("address")
    if "address" in fields.raw and not _ADDRESS.fullmatch(address):
        fields.problem("address", bad_value(fields.shown("address")), _ADDRESSES)
    by_body = fields.choice("once", ("id", "body"), "id") == "body"
    if by_body and verification is None:
        fields.problem("once", "needs verify", "only the body of an authenticated caller can identify a repeated call")
    waits = fields.choice("wait", ("accepted", "result"), "accepted") == "result"
    retries = fields.integer("retries", 0, minimum=0)
    if retries > _MAX_RETRIES:
        fields.problem("retries", f"is more than {_MAX_RETRIES}")
    return WebhookOptions(
        verification=verification,
        address=address,
        by_body=by_body,
        retries=retries,
        wait_within=duration_of(fields, "wait_within", _WAIT_SECONDS) if waits else 0.0,
    )


def _verification(fields: Fields, unset: list[str]) -> Verification:
    how = _template(fields.mapping("verify")) if isinstance(fields.get("verify"), dict) else _preset(fields)
    secrets = fields.items("secrets") or [fields.get("secret")]
    texts = tuple(secret for secret in secrets if isinstance(secret, str) and secret)
    if not unset and len(texts) != len(secrets):
        fields.problem("secrets", MISSING, expected("secrets: [${NAME}]"))
    if len(texts) > _MAX_SECRETS:
        fields.problem("secrets", f"are more than {_MAX_SECRETS}")
    if not all(secret.isascii() and secret.isprintable() for secret in texts):
        # Headers cannot contain others, and invalid UTF-8 has no bytes.
        fields.problem("secrets", "have other characters than those of printable ASCII")
    more: dict[str, Any] = {"remembered": float(fields.integer("remembered", int(how.remembered), minimum=1))}
    more["tolerance"] = float(fields.integer("tolerance", int(how.tolerance), minimum=1))
    if id_header := fields.text("id_header"):
        more["id_header"] = id_header.lower()
    # Nothing matches an empty list: an unset secret admits nobody.
    return replace(how, secrets=() if unset else texts, **more)


def _preset(fields: Fields) -> Verification:
    fields.text("verify", required=True)
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
        fields.problem("signed", MISSING, expected("{timestamp}.{body}"))
    if "{timestamp}" in how.signed and not (how.timestamp_header or how.timestamp_prefix):
        wanted = expected("timestamp_header")
        fields.problem("timestamp_header", MISSING, wanted)
    return how
