"""Command ``jikko serve``, the server."""

import os
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import dsl_files
from jikko.cli.apps.environment_options import env_of, env_options
from jikko.cli.options import (
    failure,
    home_option,
    providers_option,
    run_async,
    settings_of,
    tools_option,
    variable_option,
)
from jikko.cli.running.given_inputs import trial_options, trial_settings
from jikko.errors import JikkoError
from jikko.server.serving import holding, prepare_process


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@variable_option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@variable_option("--port", type=int, help="The port.  [default: 8000]")
@variable_option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that share the work and the database; 0 for one per core.  [default: 1]",
)
@variable_option(
    "--shutdown-seconds",
    type=float,
    help="Seconds for active runs to finish when the server stops; others continue at the next start.  [default: 10]",
)
@variable_option("--public-url", help="Base URL for clients, for links to files.  [default: from each request]")
@click.option(
    "--reload", is_flag=True, help="Publish FILES again whenever they change; for development, with one worker."
)
@env_options
@providers_option
@tools_option
@trial_options
@variable_option("--log-level", help="debug, info, warning or error.")
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
    """Serve all imported apps over Dify's workflow API.

    FILES are DSL files, or folders of them, to publish first: as a new app, or as a new version if they changed. A new
    app gets an API key, which is shown on a terminal; otherwise it is written to a file in the data folder, and the
    file is named. JIKKO_KEYS adds keys that clients already have.

    Values for workflows' environment variables: --env NAME=VALUE for every app with that variable, --env APP_NAME=VALUE
    for one. JIKKO_ENV_NAME and JIKKO_ENV_APP_NAME do the same. Other settings come from JIKKO_… variables or jikko.toml
    in the data folder: see docs/settings.md.
    """
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
        published = dsl_files(files)
        with holding(settings) as hold:
            if workers == 1:
                from jikko.server.one_process import serve as serve_here

                run_async(serve_here(settings, published, hold, reload=reload))
            else:
                from jikko.server.supervisor import supervise

                run_async(supervise(settings, workers, published, hold))
    except JikkoError as error:
        raise failure(error) from None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
