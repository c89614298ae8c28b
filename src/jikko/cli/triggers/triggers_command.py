"""Commands ``jikko triggers list|enable|disable|pause|backfill|fire``."""

import asyncio
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
from msgspec import to_builtins

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.options import assembled, duration, existing, with_assembly, with_settings
from jikko.cli.output import ago, counted, show_entry
from jikko.cli.runs.remote import local_address
from jikko.cluster.data_folder_lock import owner_of
from jikko.errors import NotFound
from jikko.exit_codes import ExitCode, of_answer
from jikko.ids import new_id
from jikko.ports.stores.trigger_store import KINDS, Trigger
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable
from jikko.triggers.planning import Overlap
from jikko.triggers.receiving import foresee
from jikko.triggers.schedule_control import ScheduleView
from jikko.triggers.schedule_options import OVERLAPS
from jikko.triggers.verification import PRESETS, Verification, signed_headers, with_secrets


@click.command("list")
@click.option("--app", help="Only triggers of this app (name or id).", shell_complete=complete_app)
@click.option("--kind", type=click.Choice(KINDS), help="Only triggers of this kind.")
@with_assembly
async def list_(assembly: Assembly, app: str | None, kind: Any, as_json: bool) -> None:
    """List triggers: webhooks with their addresses, whether calls are verified, and how many were refused within the
    last hour; schedules with their next due time (ten with --json), and the results of the last ones."""
    if app is None:
        found = await assembly.triggers.all(kind)
    else:
        of_app = await assembly.triggers.of(await assembly.apps.find(app))
        found = [trigger for trigger in of_app if kind in (None, trigger.kind)]
    names = {each.id: each.name for each in await assembly.apps.all()}
    for trigger in found:
        name = names.get(trigger.app_id, trigger.app_id)
        entry = entry_of(trigger, name)
        if trigger.kind == "webhook":
            entry["verified"] = assembly.webhooks.verification(trigger, name) is not None
            entry["refused"] = await assembly.webhooks.refused_lately(trigger)
        elif trigger.kind == "schedule":
            entry |= entry_of_view(await assembly.schedules.control.view(trigger))
        switched = "on" if trigger.enabled else "off"
        refused = f"  {entry['refused']} refused" if entry.get("refused") else ""
        verified = "  verified" if entry.get("verified") else "  not verified" if "verified" in entry else ""
        told = (
            "  ".join(words_of(entry)) if trigger.kind == "schedule" else f"{entry.get('path', '')}{verified}{refused}"
        )
        line = f"{name}/{trigger.node_id}  {trigger.kind}  {switched}  {told}".rstrip()
        show_entry(entry, printable(line), as_json=as_json)
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no triggers")


@click.command(short_help="Switch a trigger on.")
@click.argument("trigger")
@with_assembly
async def enable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER on (its id, or APP/NODE). Works with the server running or not.

    A schedule that was off or paused continues; missed due times are not made up.
    """
    await _switch(assembly, trigger, True, as_json)


@click.command(short_help="Switch a trigger off.")
@click.argument("trigger")
@with_assembly
async def disable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER off: calls of its address get 404, a schedule starts nothing. Active runs continue."""
    await _switch(assembly, trigger, False, as_json)


async def _switch(assembly: Assembly, which: str, enabled: bool, as_json: bool) -> None:
    trigger = await assembly.triggers.find(which)
    await assembly.triggers.enable(trigger, enabled)
    if enabled and trigger.kind == "schedule":
        await assembly.schedules.control.resume(trigger)
    app = await assembly.apps.find(trigger.app_id)
    entry = {**entry_of(trigger, app.name), "enabled": enabled}
    words = f"{app.name}/{trigger.node_id}: {'on' if enabled else 'off'}"
    show_entry(entry, printable(words), as_json=as_json)


def entry_of(trigger: Trigger, app_name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": trigger.id,
        "app_id": trigger.app_id,
        "app": app_name,
        "node_id": trigger.node_id,
        "kind": trigger.kind,
        "enabled": trigger.enabled,
    }
    if trigger.address:
        entry["path"] = f"/triggers/webhook/{trigger.address}"
    return entry


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is not a time such as 2026-12-31T09:00 or 2026-12-31T09:00+01:00."
        ) from None


@click.command(short_help="Pause a schedule.")
@click.argument("trigger")
@click.option("--for", "seconds", type=duration, metavar="TIME", help="Duration: 30m, 2h, 3d.  [default: unlimited]")
@click.option("--reason", default="paused by hand", help="A reason, shown in the list.")
@with_assembly
async def pause(assembly: Assembly, trigger: str, seconds: float | None, reason: str, as_json: bool) -> None:
    """Pause a schedule TRIGGER (its id, or APP/NODE) for a time. `jikko triggers enable` ends the pause.

    Due times in the pause are not made up. Works with the server running or not.
    """
    found = await assembly.triggers.find(trigger)
    until = None if seconds is None else math.ceil(time.time() + seconds)
    await assembly.schedules.control.pause(found, reason, until)
    entry = {"id": found.id, "paused": reason, "until": None if until is None else _iso(until)}
    words = f"{trigger}: paused{'' if until is None else f' until {ago(until)}'}"
    show_entry(entry, printable(words), as_json=as_json)


@click.command(short_help="Run past due times of a schedule.")
@click.argument("trigger")
@click.option("--from", "since", type=_moment, metavar="TIME", help="The first due time.")
@click.option("--to", "until", type=_moment, metavar="TIME", help="The last due time.")
@click.option("--overlap", type=click.Choice(OVERLAPS), default="queue_all", help="Overlap with other runs.")
@click.option("--drop", is_flag=True, help="Drop waiting due times of earlier backfills.")
@with_assembly
async def backfill(
    assembly: Assembly,
    trigger: str,
    since: float | None,
    until: float | None,
    overlap: Overlap,
    drop: bool,
    as_json: bool,
) -> None:
    """Run missed due times of a schedule TRIGGER (its id, or APP/NODE).

    `sys.timestamp` of each run is its due time. The server starts them, one after the other unless `--overlap` says
    otherwise. Times without an offset are local.
    """
    if drop != (since is None and until is None) or (since is None) != (until is None):
        raise click.UsageError("give --from and --to, or --drop alone")
    found = await assembly.triggers.find(trigger)
    if since is None or until is None:
        count = await assembly.schedules.control.drop_backfill(found)
        words = f"{trigger}: {counted(count, 'due time')} dropped"
        show_entry({"id": found.id, "dropped": count}, printable(words), as_json=as_json)
        return
    count = await assembly.schedules.control.backfill(found, since, until, overlap)
    words = f"{trigger}: {counted(count, 'due time')} queued"
    show_entry({"id": found.id, "added": count}, printable(words), as_json=as_json)


def entry_of_view(view: ScheduleView) -> dict[str, Any]:
    entry: dict[str, Any] = {"next": [_iso(moment) for moment in view.next]}
    if view.error:
        entry["error"] = view.error
    if view.paused is not None:
        entry["paused"] = view.paused
        entry["paused_until"] = None if view.paused_until is None else _iso(view.paused_until)
    entry["recent"] = [
        {
            "due": _iso(each.due),
            "state": each.state,
            **({"run_id": each.run_id, "late": round(max(0.0, each.at - each.due), 3)} if each.run_id else {}),
            **({"why": each.why, "count": each.count} if each.state == "skipped" else {}),
        }
        for each in view.recent
    ]
    return entry


def words_of(entry: dict[str, Any]) -> Iterator[str]:
    """Iterate over the parts of a schedule's line."""
    if "error" in entry:
        yield f"never runs: {entry['error']}"
    elif "paused" in entry:
        until = "" if entry["paused_until"] is None else f" until {entry['paused_until']}"
        yield f"paused{until} ({entry['paused']})"
    elif entry["next"]:
        yield f"next {entry['next'][0]}"
    for last in entry["recent"][:1]:
        if last["state"] == "started":
            yield f"last {last['late']} s late"
        elif last["state"] == "skipped":
            yield f"{last['count']} skipped: {last['why']}"
        else:
            yield "waits for the run before it"


def _iso(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z" if moment > 0 else "0001-01-01T00:00:00Z"


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
            "no server is running for this data folder",
            exit_code=ExitCode.UNAVAILABLE,
            code="no_server",
            hint="Start one: jikko serve",
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
