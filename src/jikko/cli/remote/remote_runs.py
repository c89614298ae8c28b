"""Commands of runs, triggers, deliveries, callbacks and the audit through the management API. Parameters are those of
the commands of the same names."""

import time
from functools import partial
from typing import Any

import click

from jikko.cli.command_failure import Failure
from jikko.cli.output import show_fields, show_list
from jikko.cli.remote.remote_server import HAS_ID, HAS_RUN_ID, PAGE, Id, Management, does, many, part, shape
from jikko.cli.running.given_inputs import OLD_SERVER, document_of, outputs_by_node, pairs_of
from jikko.exit_codes import ExitCode, of_run
from jikko.ids import is_uuid
from jikko.nodes.substitutes import FAKE_MODEL

_POLL_SECONDS = 0.2
_RUN = shape({"error": shape(message=str)}, id=Id, status=str)
_DIFF = shape(fields=list[dict[str, Any]], nodes=list[dict[str, Any]], more_nodes=int, same=int)
_FORM = shape(form_id=Id, run_id=Id, node_id=str, title=str, actions=many(shape(id=str)))
_CHANGE = shape(id=Id, at=float, action=str)
_CHOICE = shape({"mockable": many(shape({"can_fake": bool}))}, version=int, why_not=str | None)


@does("runs list")
def _list_runs(
    api: Management,
    *,
    app: str | None,
    of_all: bool,
    status: str | None,
    since: float | None,
    limit: int,
    as_json: bool,
) -> None:
    app_id = None if app is None else api.app_id(app)
    runs = api.pages("runs", _RUN, limit, app=app_id, status=status, after=_ago(since))
    show_list(runs, ("id", "status", "created_at", "elapsed", "app.name"), as_json=as_json)


@does("runs show")
def _show_run(api: Management, *, run_id: str, as_json: bool) -> None:
    show_fields(api.get(f"runs/{api.run_id(run_id)}", _RUN), as_json=as_json)


@does("runs follow")
def _follow_run(api: Management, *, run_id: str, as_json: bool) -> int:
    run = f"runs/{api.run_id(run_id)}"
    for event in api.events(f"{run}/stream"):
        show_fields(event, as_json=as_json)
        if not as_json:
            click.echo()
    found = api.get(run, _RUN)
    return _exit_code(found)


def _exit_code(run: dict[str, Any]) -> ExitCode:
    return of_run(run["status"], (run.get("error") or {}).get("message"))


@does("runs diff")
def _diff_runs(api: Management, *, first: str, second: str, as_json: bool) -> int:
    found = api.get(f"runs/{api.run_id(second)}/diff", _DIFF, to=api.run_id(first))
    show_fields({name: found[name] for name in ("fields", "nodes", "more_nodes", "same")}, as_json=as_json)
    return ExitCode.FAILED if found["fields"] or found["nodes"] else ExitCode.OK


@does("runs stop")
def _stop_run(api: Management, *, run_id: str, user: str, as_json: bool) -> None:
    stopped = api.post(f"runs/{api.run_id(run_id)}/stop", shape(stopped=bool))
    if not stopped["stopped"]:
        raise Failure("the run has already ended", exit_code=ExitCode.CONFLICT, code="conflict")
    show_fields(stopped, as_json=as_json)


@does("runs retry")
def _retry_run(
    api: Management,
    *,
    run_id: str,
    from_node: str | None,
    current: bool,
    mocks: tuple[str, ...],
    values: tuple[str, ...],
    wait: bool,
    user: str,
    as_json: bool,
) -> int:
    given = {"mocks": outputs_by_node(mocks, "--mock"), "values": outputs_by_node(values, "--values")}
    path = f"runs/{api.run_id(run_id)}/retry"
    asked = f"?values=1&from_node_id={part(from_node or '')}"
    version = None
    if current or mocks or values:
        choice = api.get(path + asked, shape(data=many(_CHOICE, 1)))["data"][0]
        if (mocks or values) and not choice["why_not"]:
            _require_support(choice.get("mockable"), fake=FAKE_MODEL in given["mocks"].values())
        version = choice["version"] if current else None
    accepted = api.post(path, HAS_RUN_ID, {"from_node_id": from_node, "version": version, **given})
    if not wait:
        show_fields(accepted, as_json=as_json)
        return ExitCode.OK
    again = f"runs/{accepted['run_id']}"
    while (found := api.get(again, _RUN))["status"] == "running":
        # The stream reports a pause before the record does, and also past pauses.
        if any(event.get("event") == "run_paused" for event in api.events(f"{again}/stream")):
            time.sleep(_POLL_SECONDS)
    show_fields({**accepted, "status": found["status"], "error": found.get("error")}, as_json=as_json)
    return _exit_code(found)


def _require_support(mockable: list[dict[str, Any]] | None, *, fake: bool) -> None:
    if mockable is None or (fake and any(node.get("can_fake") is None for node in mockable)):
        raise Failure(OLD_SERVER, exit_code=ExitCode.UNAVAILABLE, code="unsupported")


@does("runs forms")
def _forms_of_run(api: Management, *, run_id: str, as_json: bool) -> None:
    columns = ("form_id", "node_id", "title", "expires_at")
    show_list(_forms(api, api.run_id(run_id)), columns, as_json=as_json)


@does("runs submit")
def _submit_form(
    api: Management,
    *,
    run_id: str,
    which: str | None,
    action: str | None,
    pairs: tuple[str, ...],
    document: str | None,
    user: str,
    as_json: bool,
) -> None:
    run = api.run_id(run_id)
    open_forms = [form for form in _forms(api, run) if which in (None, form["form_id"], form["node_id"], form["title"])]
    if len(open_forms) != 1:
        told = f"{len(open_forms)} open forms fit" if open_forms else "the run waits for no such form"
        raise Failure(f"{told}: --form says which.", exit_code=ExitCode.NOT_FOUND, code="not_found")
    [form] = open_forms
    actions = [one["id"] for one in form["actions"]]
    if action is None and len(actions) != 1:
        raise click.UsageError(f"--action: one of {', '.join(map(str, actions))}.")
    body = {"action": action or actions[0], "inputs": {**document_of(document), **dict(pairs_of(pairs))}}
    api.post(f"runs/{run}/forms/{form['form_id']}", dict, body)
    show_fields({"form_id": form["form_id"], "action": body["action"], "result": "submitted"}, as_json=as_json)


@does("triggers list")
def _list_triggers(api: Management, *, app: str | None, kind: str | None, as_json: bool) -> None:
    app_id = None if app is None else api.app_id(app)
    columns = ("id", "kind", "app.name", "node_id", "enabled", "path", "schedule")
    show_list(api.triggers(app=app_id, kind=kind), columns, as_json=as_json)


def _on_trigger(action: str, api: Management, *, trigger: str, as_json: bool) -> None:
    changed = shape(timestamp=float) if action == "fire" else HAS_ID
    show_fields(api.post(f"triggers/{_trigger(api, trigger)}/{action}", changed), as_json=as_json)


for _action in ("enable", "disable", "fire"):
    does(f"triggers {_action}")(partial(_on_trigger, _action))


@does("triggers pause")
def _pause_trigger(api: Management, *, trigger: str, seconds: float | None, reason: str, as_json: bool) -> None:
    until = None if seconds is None else time.time() + seconds
    path = f"triggers/{_trigger(api, trigger)}/pause"
    show_fields(api.post(path, HAS_ID, {"reason": reason, "until": until}), as_json=as_json)


@does("triggers backfill")
def _backfill_trigger(
    api: Management, *, trigger: str, since: float | None, until: float | None, overlap: str, drop: bool, as_json: bool
) -> None:
    path = f"triggers/{_trigger(api, trigger)}/backfill"
    if drop:
        show_fields(api.checked(api.json("DELETE", path), shape(dropped=int)), as_json=as_json)
        return
    if since is None or until is None:
        raise click.UsageError("Say which due times: --from and --to.")
    show_fields(api.post(path, shape(added=int), {"from": since, "to": until, "overlap": overlap}), as_json=as_json)


@does("deliveries list")
def _list_deliveries(
    api: Management, *, trigger: str | None, states: tuple[str, ...], since: float | None, limit: int, as_json: bool
) -> None:
    if len(states) > 1:
        raise click.UsageError("Over --url deliveries are listed by one --state.")
    wanted = {"trigger": None if trigger is None else _trigger(api, trigger), "after": _ago(since)}
    found = api.pages("deliveries", HAS_ID, limit, **wanted, state=states[0] if states else None)
    show_list(found, ("id", "received_at", "state", "app.name", "method", "size"), as_json=as_json)


@does("deliveries show")
def _show_delivery(api: Management, *, delivery: str, as_json: bool) -> None:
    show_fields(api.get(f"deliveries/{part(delivery)}", HAS_ID), as_json=as_json)


def _on_deliveries(action: str, api: Management, *, deliveries: tuple[str, ...], as_json: bool) -> None:
    if not deliveries:
        raise click.UsageError("Over --url deliveries are named: DELIVERY...")
    changed = HAS_RUN_ID if action == "replay" else HAS_ID
    for delivery in deliveries:
        show_fields(api.post(f"deliveries/{part(delivery)}/{action}", changed), as_json=as_json)


for _action in ("replay", "discard"):
    does(f"deliveries {_action}")(partial(_on_deliveries, _action))


@does("callbacks list")
def _list_callbacks(api: Management, *, app: str | None, as_json: bool) -> None:
    found = api.entries("callbacks", HAS_RUN_ID, app=None if app is None else api.app_id(app), limit=PAGE)
    if len(found) == PAGE:
        click.echo(
            f"there may be more than the oldest {PAGE}, which are listed; --app lists those of one app", err=True
        )
    show_list(found, ("run_id", "state", "attempts", "url", "error"), as_json=as_json)


@does("callbacks resend")
def _resend_callbacks(api: Management, *, run_ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    if everything:
        show_fields(api.post("callbacks/resend", shape(resent=int)), as_json=as_json)
    for run_id in run_ids:
        show_fields(api.post(f"callbacks/{api.run_id(run_id)}/resend", HAS_RUN_ID), as_json=as_json)


@does("audit")
def _list_audit(
    api: Management,
    *,
    app: str | None,
    actor: str | None,
    action: str | None,
    since: float | None,
    limit: int,
    as_json: bool,
) -> None:
    app_id = None if app is None else api.app_id(app)
    found = api.pages("audit", _CHANGE, limit, app=app_id, actor=actor, action=action, after=_ago(since))
    show_list(found, ("at", "actor", "via", "action", "what"), as_json=as_json)


def _ago(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, time.time() - seconds)


def _forms(api: Management, run_id: str) -> list[dict[str, Any]]:
    # An earlier server does not know ``run``.
    return [form for form in api.entries("forms", _FORM, run=run_id) if form["run_id"] == run_id]


def _trigger(api: Management, text: str) -> str:
    return text.lower() if is_uuid(text) else str(api.trigger(text)["id"])
