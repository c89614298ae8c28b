"""Audit entries of commands that change the record."""

import os
from collections.abc import Mapping
from getpass import getuser
from typing import Any, Final

import click
from click.core import ParameterSource

from jikko.assemble.assembly import Assembly
from jikko.errors import JikkoError
from jikko.ids import new_id
from jikko.ports.stores.audit_store import AuditEntry
from jikko.values import Json

_BY_NOTE: Final = ("changes",)
"""Commands that report their changes themselves: see ``note_change``."""
CHANGING: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            *("apps delete", "apps use", "callbacks resend", "chat import", "console tokens new"),
            *("console tokens revoke", "deliveries discard", "deliveries replay", "knowledge add"),
            *("knowledge external add", "knowledge external remove", "knowledge import", "knowledge keys create"),
            *("knowledge keys revoke", "knowledge remove", "runs import", "runs prune", "runs retry", "runs stop"),
            *("runs submit", "triggers backfill", "triggers disable", "triggers enable", "triggers fire"),
            *("triggers pause", "users delete"),
        ),
        (),
    ),
    "apps env": ("pairs", "unset", "file"),
    "apps import": _BY_NOTE,
    "apps keys": ("new", "source", "revoke"),
    "apps sync": _BY_NOTE,
    "apps webhook-secret": ("new",),
    "knowledge map": ("text", "workspace"),
}
"""Changing commands, with the parameters one of which makes it a change; empty: always a change."""
_TRIALS: Final = ("dry_run", "dry")
_REPORTED: Final = ("revoke", "which", "unset", "reason", "scopes")
"""Options whose values are recorded; for others only their presence is."""
_MASKED: Final = ("user",)
"""Arguments whose values are not recorded: a removed end user must not be named anywhere."""
_DETAILS: Final = "jikko.audit"
_DONE: Final = "jikko.audited"
"""Marks that the command has its entry: one, however often it opens the record."""


def note_change(before: Json, after: Json, *, app: str | None = None) -> None:
    """Note the command's change, secrets masked. ``app``: The app's id."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_DETAILS] = before, after, app


async def keep_change(assembly: Assembly) -> None:
    """Store an audit entry for the command's change."""
    context = click.get_current_context(silent=True)
    if context is None:
        return
    command = " ".join(context.command_path.split()[1:])
    details = context.meta.get(_DETAILS)
    typed = (name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT)
    given = {name: context.params[name] for name in typed if context.params[name] not in (None, False, (), "")}
    if details is not None:
        given["changes"] = True
    wanted = CHANGING.get(command)
    if (
        wanted is None
        or _DONE in context.meta
        or (wanted and not given.keys() & {*wanted})
        or given.keys() & {*_TRIALS}
    ):
        return
    context.meta[_DONE] = True
    before, after, app = details or (None, None, None)
    entry = AuditEntry(
        id=new_id(),
        at=assembly.clock(),
        actor=system_user(),
        source="",
        via="cli",
        action=command,
        what=" ".join(_words(context.command, given)),
        app_id=app or await _app_of(assembly, given),
        before=before,
        after=after,
    )
    await assembly.audit().add(entry)


def _words(command: click.Command, given: Mapping[str, Any]) -> list[str]:
    """Return the arguments, without values of variables, and the names of options."""
    words: list[str] = []
    for parameter in command.params:
        name = parameter.name or ""
        if name not in given or name in ("home", "as_json", "yes"):
            continue
        is_argument = isinstance(parameter, click.Argument)
        words += [] if is_argument else [parameter.opts[0]]
        if is_argument or name in _REPORTED:
            values = given[name] if isinstance(given[name], tuple) else (given[name],)
            values = ("…",) if name in _MASKED else values
            words += [str(value).partition("=")[0] for value in values]
    return words


async def _app_of(assembly: Assembly, given: Mapping[str, Any]) -> str | None:
    if not isinstance(name := given.get("app"), str):
        return None
    try:
        return (await assembly.apps.find(name)).id
    except JikkoError:
        return None


def system_user() -> str:
    """Return the name of the user who runs this process, or ``user 1000`` without one."""
    try:
        return getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
