"""Command ``jikko triggers fire``, which calls a webhook in place of its sender."""

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
from msgspec import to_builtins

from jikko.cli.command_failure import Failure
from jikko.cli.options import assembled, existing, with_settings
from jikko.cli.output import show_entry
from jikko.cli.runs.remote import local_address
from jikko.cli.triggers.switching import entry_of_view, words_of
from jikko.cluster.data_folder_lock import owner_of
from jikko.errors import NotFound
from jikko.exit_codes import ExitCode, of_answer
from jikko.ids import new_id
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable
from jikko.triggers.receiving import foresee
from jikko.triggers.verification import PRESETS, Verification, signed_headers, with_secrets

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Valid header names."""


@click.command(short_help="Call a webhook, or run a schedule now.")
@click.argument("trigger")
@click.option("--body", default="", metavar="TEXT", help="The body; @FILE for a file, @- for standard input.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="An additional header.")
@click.option("--as", "sign_as", type=click.Choice(tuple(PRESETS)), help="Sign as this sender.  [default: the file's]")
@click.option("--secret", help="The secret to sign with.  [default: the first of the triggers file]")
@click.option("--query", default="", metavar="A=1&B=2", help="The query string.")
@click.option("--url", help="The server.  [default: the one of the data folder]")
@click.option("--dry", is_flag=True, help="Show what would happen, without starting anything.")
@with_settings
async def fire(
    settings: Settings,
    trigger: str,
    body: str,
    headers: tuple[str, ...],
    sign_as: str | None,
    secret: str | None,
    query: str,
    url: str | None,
    dry: bool,
    as_json: bool,
) -> int:
    """Call a webhook TRIGGER (its id, or APP/NODE) at the server, with the method and content type of its node.

    The call is signed as the triggers file (JIKKO_TRIGGERS) requires. Prints the response. The exit code says whether
    it was accepted. A schedule runs once more, besides its due times. With --dry no server is needed.
    """
    sent = _sent(body)
    owner = owner_of(settings.home)
    if url is None and not dry and (owner is None or not owner.address):
        raise Failure(
            "no server runs here", exit_code=ExitCode.UNAVAILABLE, code="no_server", hint="Start one: jikko serve"
        )
    base = url or local_address(owner.address if owner is not None else "")
    async with assembled(existing(settings)) as assembly:
        found = await assembly.triggers.find(trigger)
        if found.kind == "schedule" and dry:
            entry = entry_of_view(await assembly.schedules.control.view(found))
            told = f"It would run once more, now.  {'  '.join(words_of(entry))}".rstrip()
            show_entry({"id": found.id, **entry}, printable(told), as_json=as_json)
            return 0 if "error" not in entry else ExitCode.FAILED
        if found.kind == "schedule":
            due = await assembly.schedules.control.fire(found)
            show_entry({"id": found.id, "timestamp": due}, "A run begins within ten seconds.", as_json=as_json)
            return 0
        if found.kind != "webhook":
            raise NotFound(f"Trigger {trigger!r} is a {found.kind}, and has no address to call.")
        webhook = await assembly.webhooks.at(found.address)
        how = assembly.webhooks.verification(found, webhook.app.name)
        how = _signing(how, sign_as, secret)
        signed = {} if how is None else signed_headers(how, sent, call_id=new_id(), now=time.time())
        given = {"content-type": webhook.config.content_type}
        given |= {name.lower(): value for name, value in (*signed.items(), *map(_header, headers))}
        if dry:
            would = await foresee(assembly.webhooks, webhook, given, _quoted(query), sent, time.time)
            told = f"{would.verdict}: {would.status}  {would.reason or would.run_id}".rstrip()
            show_entry(to_builtins(would), harmless(told), as_json=as_json)
            return 0 if would.verdict != "refused" else of_answer(would.status)
    path = f"/triggers/webhook/{found.address}{'?' if query else ''}{_quoted(query)}"
    status, answer = await asyncio.to_thread(_call, webhook.config.method, base, path, given, sent)
    text = harmless(f"{status}  {answer.decode(errors='replace')}".rstrip())
    show_entry({"status": status, "answer": _json(answer)}, text, as_json=as_json)
    return 0 if status < 400 or status == webhook.config.status else of_answer(status)


def _signing(how: Verification | None, sign_as: str | None, secret: str | None) -> Verification | None:
    """Return the call's signing: that of the triggers file, unless options override it."""
    if secret is not None and not (secret.isascii() and secret.isprintable()):
        raise click.UsageError("--secret: must be printable ASCII")
    if sign_as:
        return with_secrets(PRESETS[sign_as], [secret] if secret else how.secrets if how is not None else [])
    return how if how is None or secret is None else with_secrets(how, [secret])


def _sent(body: str) -> bytes:
    if body == "@-":
        return sys.stdin.buffer.read()
    if body.startswith("@"):
        try:
            return Path(body[1:]).read_bytes()
        except OSError as error:
            raise click.UsageError(f"--body: {body[1:]}: cannot be read: {error.strerror}") from None
    return os.fsencode(body)


def _quoted(query: str) -> str:
    return quote(os.fsencode(query), safe="%&=+;,:@/?!$'()*~")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"--header: {text!r} must be NAME:VALUE")
    name, value = name.strip(), value.strip()
    if not _NAME.fullmatch(name) or not (
        value.isprintable() and value.encode("latin-1", "ignore").decode("latin-1") == value
    ):
        raise click.UsageError(f"--header: {text!r} cannot be sent: names are ASCII, values Latin-1 of one line")
    return name, value


def _call(method: str, base: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    try:
        parts = urlsplit(base)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=60)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http://HOST:PORT")
    except (ValueError, HTTPException) as error:
        raise click.UsageError(f"--url: {base!r}: {error}") from None
    try:
        connection.request(method, parts.path.rstrip("/") + path, body or None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException) as error:
        # Without the webhook's address, which may be its only credential.
        message = f"{parts.netloc}: no server answers: {getattr(error, 'strerror', None) or error}"
        raise Failure(message, exit_code=ExitCode.UNAVAILABLE, code="no_server") from None
    finally:
        connection.close()


def _json(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace")
