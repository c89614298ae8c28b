"""``jikko serve``: the server."""

from pathlib import Path
from typing import Any

import click

from jikko.cli.apps.environment import env_of, env_options
from jikko.cli.options import failure, home_option, providers_option, run_async, settings_of, tools_option
from jikko.cli.running.mock_options import trial_options, trial_settings


@click.command()
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
@click.option(
    "--public-url",
    envvar="JIKKO_PUBLIC_URL",
    show_envvar=True,
    help="The address under which clients reach the server, for links to files.  [default: that of each request]",
)
@click.option(
    "--reload",
    is_flag=True,
    help="Publish FILES again whenever they change; for development, with one worker.",
)
@env_options
@providers_option
@tools_option
@trial_options
@click.option("--log-level", envvar="JIKKO_LOG_LEVEL", show_envvar=True, help="debug, info, warning or error.")
@home_option
def serve(
    files: tuple[Path, ...],
    reload: bool,
    env: tuple[str, ...],
    env_file: Path | None,
    fake_models: bool,
    mocks: tuple[str, ...],
    **given: Any,
) -> None:
    """Serve all imported apps over the workflow API of Dify.

    FILES are DSL files to publish first: as a new app, or as a new version if they changed. A new app gets an API key,
    which is shown on a terminal; elsewhere it goes into a file in the data folder, which is named. JIKKO_KEYS brings
    keys that clients have already.

    Values for environment variables of workflows: --env NAME=VALUE for every app that has the variable,
    --env APP_NAME=VALUE for one. JIKKO_ENV_NAME and JIKKO_ENV_APP_NAME do the same. Further settings come from JIKKO_…
    variables or jikko.toml in the data folder: see docs/settings.md.
    """
    from jikko.errors import JikkoError
    from jikko.server.serving import holding, prepare_process

    settings = settings_of(env=env_of(env, env_file), **given, **trial_settings(fake_models, mocks))
    if settings.fake_models:
        click.echo("Models are faked: every answer is made up, and no provider is called.", err=True)
    if settings.mocks:
        click.echo("Nodes are mocked: those named by --mock or JIKKO_MOCKS do not run.", err=True)
    prepare_process(settings.log_level, settings.log_format)
    workers = settings.workers or _cores()
    if reload and not files:
        raise click.UsageError("--reload watches FILES; none is named.")
    if reload and workers > 1:
        raise click.UsageError("--reload is for development: it works with --workers 1.")
    try:
        with holding(settings) as hold:
            if workers == 1:
                run_async(_serve(settings, files, hold, reload))
            else:
                from jikko.server.supervisor import supervise

                run_async(supervise(settings, workers, files, hold))
    except JikkoError as error:
        raise failure(error) from None


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _serve(settings: Any, files: tuple[Path, ...], hold: Any, reload: bool) -> None:
    import asyncio
    import os
    import time

    from jikko.assemble import assemble
    from jikko.concurrency.shutdown import leaving
    from jikko.errors import InvalidSettings
    from jikko.observing.metrics.usage import of_server
    from jikko.server.listening import listen
    from jikko.server.member import ServerMember
    from jikko.server.metrics import metrics_of
    from jikko.server.observers import Observers
    from jikko.server.publication import publish, to_try
    from jikko.server.reading_again import ReadingAgain, refusals
    from jikko.server.reloading import Reloading
    from jikko.server.service_manager import handed_over, tell_that_it_goes_round
    from jikko.server.serving import (
        TO_LEAVE_SECONDS,
        base_of,
        console_lines,
        say_ready,
        say_recovered,
        say_stopping,
        serve_assembly,
    )

    inherited = handed_over()
    try:
        # Before runs are taken over, which a run bears only so often.
        [listening] = [inherited] if inherited else listen(settings.host, settings.port)
    except OSError as error:
        raise InvalidSettings(str(error)) from None
    base = base_of(settings, listening)
    hold.say(address=base)
    reloading = Reloading(files if reload else ())
    observers, began = Observers(settings, os.environ), time.time()

    async def gather() -> Any:
        return [*observers.snapshot(assembly), *of_server(1, began)]

    shutdown = leaving()
    async with assemble(settings, owned=True, console=True, observer=observers.runs, shutdown=shutdown) as assembly:
        await shutdown.entered("the page of metrics", metrics_of(settings, gather))
        await shutdown.entered("traces", observers.at_work(assembly))
        issued = await publish(assembly, files)
        await assembly.cluster.join(ServerMember(assembly, say_recovered))
        watching = asyncio.ensure_future(reloading.watch(assembly)) if reload else None

        beating = asyncio.ensure_future(tell_that_it_goes_round())
        reading = ReadingAgain(hold, refusals(assembly.configuration.read_again))

        def rest() -> None:
            reading.close()
            assembly.cluster.leave()
            if watching is not None:
                watching.cancel()

        async def ready() -> None:
            say_ready(settings, base, [*to_try(base, issued), *await console_lines(assembly, base)])

        def at_end(at_once: bool) -> None:
            say_stopping(settings, at_once, assembly.runs.under_way)
            rest()

        try:
            await serve_assembly(
                assembly,
                listening,
                ready=ready,
                at_end=at_end,
                observers=observers,
                drains=inherited is not None,
                shutdown=shutdown,
            )
        finally:
            rest()
            beating.cancel()
            await shutdown.do("the cluster", assembly.cluster.close, TO_LEAVE_SECONDS)
    await shutdown.end()
