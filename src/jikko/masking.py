"""Masking of secrets in messages from outside."""

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

MASK: Final = "***"
_MIN_SECRET_LENGTH: Final = 4
"""Shorter secrets would match ordinary words."""
_LONG_SECRET_LENGTH: Final = 12
"""From this length on, the first half of a secret identifies it."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """Mask each secret in a text, also if only its beginning is quoted (``sk-ab12…``)."""
    # Of a secret that contains another, or begins like one, nothing may stay.
    longest_first = sorted((each for each in secrets if len(each) >= _MIN_SECRET_LENGTH), key=len, reverse=True)
    for secret in longest_first:
        text = text.replace(secret, MASK)
    for secret in longest_first:
        if len(secret) >= _LONG_SECRET_LENGTH:
            # Providers like to quote the first and last characters of an unknown key.
            text = re.sub(re.escape(secret[: min(8, len(secret) // 2)]) + r"[\w*.…-]*", MASK, text)
    return text


def masked_forms(text: str, secrets: Iterable[str]) -> str:
    """Mask each secret in a text, also if it is percent-encoded or escaped, in whole or in part.

    Libraries write an address with its host in lower case, and without the default port: for a secret that is an
    address, the part behind the host is secret as well. Nothing else is normalised: other secrets are case-sensitive.
    """
    for secret in sorted({form for each in secrets for form in (each, _path_and_query(each))}, key=len, reverse=True):
        # No form is shorter; compiling a pattern for a long secret is slow.
        if _MIN_SECRET_LENGTH <= len(secret) <= len(text):
            pattern = re.sub(r"\\+|.", _any_form, secret, flags=re.DOTALL)
            text = re.sub(pattern, MASK, text, flags=re.IGNORECASE if "://" in secret else 0)
    return text


def _path_and_query(secret: str) -> str:
    try:
        parts = urlsplit(secret)
    except ValueError:
        return ""
    return secret[secret.index(parts.netloc) + len(parts.netloc) :] if parts.netloc else ""


def _any_form(found: re.Match[str]) -> str:
    letter = found[0][0]
    encoded = "".join(f"%{byte:02X}" for byte in letter.encode(errors="surrogatepass"))
    forms = [letter, encoded, encoded.lower(), quote(encoded), quote(encoded.lower())]
    plain = "|".join(map(re.escape, [*forms, "+"] if letter == " " else forms))
    if letter == "\\":
        # Escaped, there are more backslashes; nothing behind them is tried again.
        return f"(?:{plain}){{{len(found[0])},}}+"
    escapes = {code[1:-1].lstrip("\\") for code in (json.dumps(letter), repr(letter))} - {letter}
    escapes |= {letter} & {*"\"'/"}
    escaped = "|".join(map(re.escape, escapes)).replace("\\\\", "\\\\+")
    return f"(?:{plain}|\\\\*+(?:{escaped}))" if escapes else f"(?:{plain})"
