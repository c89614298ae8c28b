"""``jikko serve``: the server."""

import asyncio
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, run_async, settings_of
from jikko.cli.running.mock_options import trial_options, trial_settings


@click.command(short_help="Serve apps over Dify's workflow API.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", envvar="JIKKO_HOST", show_envvar=True, help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, envvar="JIKKO_PORT", show_envvar=True, help="The port.  [default: 8000]")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    envvar="JIKKO_WORKERS",
    show_envvar=True,
    help="Processes that share the work and the database; 0 for one for each core.  [default: 1]",
)
@click.option(
    "--shutdown-seconds",
    type=float,
    envvar="JIKKO_SHUTDOWN_SECONDS",
    show_envvar=True,
    help="How long runs may finish when the server stops; others go on at the next start.  [default: 10]",
)
@trial_options
@click.option("--log-level", envvar="JIKKO_LOG_LEVEL", show_envvar=True, help="debug, info, warning or error.")
@home_option
def serve(files: tuple[Path, ...], fake_models: bool, mocks: tuple[str, ...], **given: Any) -> None:
    """Serve all imported apps over the workflow API of Dify.

    FILES are DSL files to publish first: as a new app, or as a new version if they changed. Keys are shown once.
    Further settings come from JIKKO_… variables or jikko.toml in the data folder: see docs/settings.md.
    """
    from jikko.server.serving import holding, prepare_process

    settings = settings_of(**given, **trial_settings(fake_models, mocks))
    if settings.fake_models:
        click.echo("Models are faked: every answer is made up, and no provider is called.", err=True)
    if settings.mocks:
        click.echo("Nodes are mocked: those named by --mock or JIKKO_MOCKS do not run.", err=True)
    prepare_process(settings.log_level)
    workers = settings.workers or _cores()
    with holding(settings) as hold:
        if workers == 1:
            run_async(_serve(settings, files, hold))
        else:
            from jikko.server.supervisor import supervise

            run_async(supervise(settings, workers, files, hold))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _serve(settings: Any, files: tuple[Path, ...], hold: Any) -> None:
    from jikko.assemble import assemble
    from jikko.errors import InvalidSettings
    from jikko.server.listening import listen
    from jikko.server.serving import base_of, duties, publish, say_ready, say_recovered, serve_assembly, to_try

    try:
        # Before runs are taken over, which a run bears only so often.
        [listening] = listen(settings.host, settings.port)
    except OSError as error:
        raise InvalidSettings(str(error)) from None
    base = base_of(settings, listening)
    hold.say(address=base)
    async with assemble(settings, owned=True) as assembly:
        issued = await publish(assembly, files)
        say_recovered((await assembly.runs.recover()).count)
        working = asyncio.ensure_future(duties(assembly))

        async def ready() -> None:
            say_ready(settings, base, to_try(base, issued))

        def at_end(at_once: bool) -> None:
            click.echo("Stopping at once …" if at_once else "Stopping …")
            working.cancel()

        try:
            await serve_assembly(assembly, listening, ready=ready, at_end=at_end)
        finally:
            working.cancel()
