"""Commands of apps through the management API. Parameters are those of the commands of the same names."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import dsl_files, read_dsl_file
from jikko.apps.key_files import write_key
from jikko.cli.apps.apps import write_out
from jikko.cli.apps.environment_options import env_of
from jikko.cli.command_failure import Failure
from jikko.cli.output import show_fields, show_list
from jikko.cli.remote.remote_server import HAS_ID, VERSION, Id, Management, does, many, part, shape
from jikko.cli.terminal import confirmed
from jikko.exit_codes import ExitCode

_BOUNDARY = b"jikko-7d1f0a3c5e"
_TRIAL = "?dry_run=1"
_INVALID = int(ExitCode.INVALID_WORKFLOW)
_PROBLEMS = many(shape(level=str, problem=str))
_VARIABLES = shape(data=many(shape(name=str)))
_UPLOADED = shape(outcome=str, name=str, app_id=Id | None, version=VERSION | None, problems=_PROBLEMS)
_SESSION = shape(server=shape(now=float))
_IMPORTED = shape({"app_id": Id, "version": VERSION}, name=str, problems=_PROBLEMS)


@does("apps list")
def _list_apps(api: Management, *, as_json: bool) -> None:
    show_list(api.apps(), ("id", "mode", "name", "version.number"), as_json=as_json)


@does("apps show")
def _show_app(api: Management, *, app: str, as_json: bool) -> None:
    found = api.app(app)
    fields = {name: found[name] for name in ("id", "name", "mode", "description")}
    show_fields({**fields, "versions": api.entries(f"apps/{found['id']}/versions", VERSION)}, as_json=as_json)


@does("apps export")
def _export_app(api: Management, *, app: str, which: str, file: Path | None) -> None:
    app_id = api.app_id(app)
    which = which or api.get(f"apps/{app_id}", shape(version=VERSION))["version"]["workflow_id"]
    write_out(api.raw("GET", f"apps/{app_id}/versions/{part(which)}/source"), file)


@does("apps use")
def _use_version(api: Management, *, app: str, which: str, as_json: bool) -> None:
    show_fields(api.post(f"apps/{api.app_id(app)}/versions/{part(which)}/publish", VERSION), as_json=as_json)


@does("apps delete")
def _delete_app(api: Management, *, app: str, yes: bool, as_json: bool) -> None:
    found = api.app(app)
    if not yes and not confirmed(f"Remove app {found['name']!r} with its versions and keys?"):
        raise Failure("nothing was removed", code="declined")
    api.delete(f"apps/{found['id']}")
    show_fields({"app_id": found["id"], "name": found["name"], "outcome": "removed"}, as_json=as_json)


@does("apps import")
def _import_files(
    api: Management,
    *,
    files: Sequence[Path],
    with_key: bool | None,
    name: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    as_json: bool,
) -> int:
    found, values = dsl_files(files), env_of(env, env_file)
    if name is not None and len(found) > 1:
        raise click.UsageError("--name is the name of one app: give one FILE.")
    codes = []
    for file in found:
        done = "not imported"
        try:
            rest = _set_known(api, file, name, values)
            entry = _put(api, file, name)
            app = f"apps/{entry['app_id']}"
            try:
                done = "imported, but the environment was not set"
                if rest:
                    api.post(f"{app}/environment", _VARIABLES, {"values": rest})
                done = "imported, but no key was made"
                if with_key or (with_key is None and entry["outcome"] == "new"):
                    entry["api_key"] = _new_key(api, f"{app}/keys", required=bool(with_key))
            finally:
                show_fields(entry, as_json=as_json)
            codes.append(0)
        except Failure as failed:
            codes.append(failed.exit_code)
            click.echo(f"{file}: {done}: {failed.message}", err=True)
    return _of_all(codes)


def _set_known(api: Management, file: Path, name: str | None, values: dict[str, str]) -> dict[str, str]:
    """Set the variables that an app already has, for its new version. Returns the others, which that version
    may add."""
    trial = _put(api, file, name, dry_run=True) if values else {}
    if trial.get("app_id") is None or trial["outcome"] == "refused":
        return values
    path = f"apps/{trial['app_id']}/environment"
    known = values.keys() & {variable["name"] for variable in api.get(path, _VARIABLES)["data"]}
    if known:
        api.post(path, _VARIABLES, {"values": {one: values[one] for one in known}})
    return {one: value for one, value in values.items() if one not in known}


@does("apps sync")
def _sync_folder(api: Management, *, folder: Path, prune: bool, dry_run: bool, as_json: bool) -> int:
    names, codes = set(), []
    for file in dsl_files([folder]):
        try:
            entry = _put(api, file, None, dry_run=dry_run)
            names.add(entry["name"])
            show_fields(entry, as_json=as_json)
            codes.append(_INVALID if entry["outcome"] == "refused" else 0)
        except Failure as failed:
            codes.append(failed.exit_code)
            click.echo(f"{file}: not imported: {failed.message}", err=True)
    if prune and any(codes):
        click.echo("nothing is removed, since not every file could be imported", err=True)
    for app in api.apps() if prune and not any(codes) else ():
        if app["name"] not in names:
            if not dry_run:
                api.delete(f"apps/{app['id']}")
            show_fields({"app_id": app["id"], "name": app["name"], "outcome": "removed"}, as_json=as_json)
    return _of_all(codes)


@does("apps keys")
def _keys_of_app(
    api: Management, *, app: str | None, new: bool, file: Path | None, revoke: str | None, as_json: bool
) -> None:
    if app is None:
        raise click.UsageError("Name an APP.")
    path = f"apps/{api.app_id(app)}/keys"
    if revoke:
        api.delete(f"{path}/{part(revoke)}")
    if new:
        made = api.post(path, shape(id=Id, key=str))
        _show_secret(made, "key", file, lambda: api.delete(f"{path}/{made['id']}"), as_json=as_json)
    elif not revoke:
        show_list(api.entries(path, HAS_ID), ("id", "hint", "created_at"), as_json=as_json)


@does("apps env")
def _environment_of_app(
    api: Management, *, app: str, pairs: tuple[str, ...], unset: tuple[str, ...], file: Path | None, as_json: bool
) -> None:
    values = env_of(pairs, file)
    path = f"apps/{api.app_id(app)}/environment"
    changes = {"values": values, "unset": list(unset)}
    found = api.post(path, _VARIABLES, changes) if values or unset else api.get(path, _VARIABLES)
    show_list(found["data"], ("name", "type", "value", "is_set", "overruled_by"), as_json=as_json)


@does("apps webhook-secret")
def _webhook_secret(api: Management, *, app: str, new: bool, as_json: bool) -> None:
    if not new:
        raise click.UsageError("Over --url a secret is shown once, when it is replaced: --new.")
    secret = api.post(f"apps/{api.app_id(app)}/webhook-secret", shape(secret=str))["secret"]
    show_fields({"app": app, "webhook_secret": secret}, as_json=as_json)


@does("console tokens list")
def _list_tokens(api: Management, *, as_json: bool) -> None:
    columns = ("id", "hint", "role", "name", "scopes", "used_at", "expires_at")
    show_list(api.entries("tokens", HAS_ID), columns, as_json=as_json)


@does("console tokens new")
def _make_token(
    api: Management,
    *,
    name: str,
    viewer: bool,
    scopes: tuple[str, ...],
    expires: float | None,
    file: Path | None,
    as_json: bool,
) -> None:
    now = api.get("session", _SESSION)["server"]["now"]
    asked: dict[str, Any] = {"name": name, "role": "viewer" if viewer else "operator"}
    asked |= {"scopes": list(scopes)} if scopes else {}
    asked |= {} if expires is None else {"expires_at": now + expires}
    made = api.post("tokens", shape(id=Id, token=str), asked)
    _show_secret(made, "token", file, lambda: api.delete(f"tokens/{made['id']}"), as_json=as_json)


@does("console tokens revoke")
def _revoke_token(api: Management, *, token_id: str, as_json: bool) -> None:
    api.delete(f"tokens/{part(token_id)}")
    show_fields({"id": token_id, "revoked": True}, as_json=as_json)


def _put(api: Management, file: Path, name: str | None, *, dry_run: bool = False) -> dict[str, Any]:
    """Publish a file under its name, which the server reads as in imports."""
    try:
        text = read_dsl_file(file)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", exit_code=ExitCode.USAGE) from None
    form = b'--%s\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--%s--\r\n'
    sent = form % (_BOUNDARY, file.name.replace('"', "%22").encode(), text, _BOUNDARY)

    def posted(query: str) -> dict[str, Any]:
        kind = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
        answer = api.checked(api.json("POST", f"apps{query}", sent, kind), shape(data=many(_IMPORTED, 1)))
        return dict(answer["data"][0])

    own = posted(_TRIAL) if name is None or "/" in name else {}
    name = own["name"] if name is None else name
    if "/" in name:
        if own["name"] != name:
            raise Failure(f"a name with a slash has to stand in the file, which says {own['name']!r}.")
        entry = _at_name_with_slash(api, name, text, own)
        if not dry_run and entry["outcome"] != "unchanged":
            made = posted("")
            if "app_id" not in made:
                raise Failure("; ".join(problem["problem"] for problem in made["problems"]), exit_code=_INVALID)
            entry |= {"app_id": made["app_id"], "version": made["version"]}
    else:
        path = f"apps/{part(name)}{_TRIAL if dry_run else ''}"
        entry = dict(api.checked(api.json("PUT", path, text, "application/yaml"), _UPLOADED))
    entry["problems"] = [problem["problem"] for problem in entry["problems"]]
    return {"file": str(file), **entry}


def _at_name_with_slash(api: Management, name: str, text: bytes, trial: dict[str, Any]) -> dict[str, Any]:
    """Return the response of a trial ``PUT apps/{name}``, for a name that a path cannot contain."""
    none: dict[str, Any] = {"id": None, "version": None}
    app = next((app for app in api.apps() if app["name"] == name), none)
    outcome = "changed" if app["id"] else "new"
    if app["id"] and api.raw("GET", f"apps/{app['id']}/versions/{app['version']['workflow_id']}/source") == text:
        outcome = "unchanged"
    elif any(problem["level"] == "error" for problem in trial["problems"]):
        outcome = "refused"
    fields = {"outcome": outcome, "name": name, "app_id": app["id"], "version": app["version"]}
    return {**fields, "problems": trial["problems"]}


def _new_key(api: Management, path: str, *, required: bool) -> str | None:
    """Make an API key for a new app; ``None`` if it is optional and the token may not make keys."""
    try:
        return str(api.post(path, shape(key=str))["key"])
    except Failure as failed:
        if required or failed.code != "missing_scope":
            raise
        click.echo("no API key was made: the token lacks the scope keys:write", err=True)
        return None


def _show_secret(made: dict[str, Any], name: str, file: Path | None, undo: Any, *, as_json: bool) -> None:
    """Show a key once, or write it to a file; if that fails, it is revoked."""
    if file is not None:
        try:
            write_key(file, made.pop(name))
        except OSError as error:
            undo()
            raise click.ClickException(f"{file} cannot be written: {error.strerror}. No {name} was made.") from None
        made["file"] = str(file)
    if as_json or file is not None:
        show_fields(made, as_json=as_json)
    else:
        click.echo(f"{made[name]}  (shown only now)" if sys.stdout.isatty() else made[name])


def _of_all(codes: Iterable[int]) -> int:
    """Return the common exit code, or 1 if they differ."""
    kinds = {*codes}
    return kinds.pop() if len(kinds) == 1 else int(bool(kinds))
