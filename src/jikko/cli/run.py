"""``jikko run``: one run of a DSL file, in this process."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.cli.environment import env_of, env_options, require_names
from jikko.cli.options import home_option, json_option, providers_option, run_async, settings_of


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE", help="An input; may be repeated.")
@click.option("--inputs", "document", metavar="JSON", help="All inputs as a JSON object, or @FILE.")
@click.option("--user", default="cli", help="The user of the run.")
@env_options
@providers_option
@click.option(
    "--timeout",
    "max_seconds",
    type=click.FloatRange(min=0, min_open=True),
    envvar="JIKKO_MAX_SECONDS",
    show_envvar=True,
    help="Seconds that the run may take; then it fails.  [default: 3600]",
)
@home_option
@json_option
def run(
    file: Path,
    pairs: tuple[str, ...],
    document: str | None,
    user: str,
    env: tuple[str, ...],
    env_file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Run the DSL FILE once, without a server, and print its outputs.

    Progress goes to standard error, outputs to standard output. The exit code is 0 if the run succeeded, also
    partially, and 1 if it failed or was stopped. Nothing is kept; of the data folder, jikko.toml is read.
    """
    inputs = _inputs(pairs, document)
    settings = settings_of(env=env_of(env, env_file), **given)
    sys.exit(run_async(_run(read_dsl_file(file), file.stem, inputs, user, settings, as_json)))


def _inputs(pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """The inputs as texts; what is an object or list in JSON is taken as such."""
    inputs: dict[str, Any] = {}
    if document:
        try:
            inputs = _parsed(Path(document[1:]).read_text(encoding="utf-8") if document.startswith("@") else document)
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"--inputs: {error}") from None
        if not isinstance(inputs, dict):
            raise click.BadParameter("--inputs: must be a JSON object")
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE")
        inputs[name] = _value(value)
    return inputs


def _value(text: str) -> Any:
    if text[:1] in ("{", "["):
        try:
            return _parsed(text)
        except ValueError:
            return text
    return text


def _parsed(text: str) -> Any:
    """Raises:
    ValueError: It is no JSON.
    click.BadParameter: It is nested too deeply.
    """
    from jikko.values import MAX_DEPTH, is_too_deep

    try:
        value = json.loads(text)
        too_deep = is_too_deep(value)
    except RecursionError:
        too_deep = True
    if too_deep:
        raise click.BadParameter(f"an input is nested deeper than {MAX_DEPTH} levels")
    return value


async def _run(text: bytes, name: str, inputs: dict[str, Any], user: str, settings: Any, as_json: bool) -> int:
    from jikko.assemble import assemble
    from jikko.cli.progress import Progress
    from jikko.cli.shown import shown
    from jikko.events import RunFinished
    from jikko.runs.runs import StartRequest

    async with assemble(settings, in_memory=True) as assembly:
        published = await assembly.apps.publish(text, source=name)
        for problem in published.warnings:
            click.echo(f"warning: {problem}", err=True)
        await require_names(assembly, published.app)
        live = await assembly.runs.start(published.app, StartRequest(inputs=inputs, user=user))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(
            signal.SIGINT,
            lambda: loop.create_task(assembly.runs.stop(published.app.id, live.record.owner.task_id, user)),
        )
        progress = Progress(as_json=as_json)
        end: RunFinished | None = None
        async for batch in live.follow():
            for _, event in batch:
                progress.show(event)
                end = event if isinstance(event, RunFinished) else end
        await assembly.runs.close(0)
    if end is None:
        return 1
    if not as_json:
        click.echo(shown(json.dumps(end.outputs, ensure_ascii=False, indent=2)))
    return 0 if end.status in ("succeeded", "partial-succeeded") else 1
