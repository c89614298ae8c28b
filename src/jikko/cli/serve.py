"""``jikko serve``: the server."""

import asyncio
import contextlib
import gc
import json
import logging
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, run_async, settings_of


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", envvar="JIKKO_HOST", show_envvar=True, help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, envvar="JIKKO_PORT", show_envvar=True, help="The port.  [default: 8000]")
@click.option(
    "--shutdown-seconds",
    type=float,
    envvar="JIKKO_SHUTDOWN_SECONDS",
    show_envvar=True,
    help="How long runs may finish when the server stops; others go on at the next start.  [default: 10]",
)
@click.option("--log-level", envvar="JIKKO_LOG_LEVEL", show_envvar=True, help="debug, info, warning or error.")
@home_option
def serve(files: tuple[Path, ...], **given: Any) -> None:
    """Serve all imported apps over the workflow API of Dify.

    FILES are DSL files to publish first: as a new app, or as a new version if they changed. Keys are shown once.
    Further settings come from JIKKO_… variables or jikko.toml in the data folder: see docs/settings.md.
    """
    settings = settings_of(**given)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    # It tells every request to a model, at the level that is meant for what concerns the operator.
    logging.getLogger("httpx2").setLevel(max(logging.WARNING, logging.getLogger().level))
    # A run makes thousands of objects that live as long as it does. At the usual threshold the collector looks through
    # all of them again and again: a seventh of all work with 1,000 runs at once, and finds next to nothing.
    gc.set_threshold(50_000, 20, 50)
    if sys.platform != "win32":
        import uvloop

        _allow_connections()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    run_async(_serve(settings, files))


def _allow_connections() -> None:
    """Take as many files and sockets as the system gives: the usual limit is 1,024, and a connection is one."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused where the system's own limit is below what it says.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(settings: Any, files: tuple[Path, ...]) -> None:
    from jikko import __version__
    from jikko.assemble import assemble
    from jikko.errors import InvalidSettings
    from jikko.files.mapping import resign
    from jikko.http.app import create_app
    from jikko.http.run_bodies import detail_body
    from jikko.http.server import serve as serve_http
    from jikko.http.state import Api
    from jikko.service.ownership import sole_owner

    with sole_owner(settings.home):
        async with assemble(settings) as assembly:
            issued = [await _publish(assembly, file) for file in files]
            recovered = await assembly.runs.recover()
            if recovered:
                click.echo(f"{recovered} runs that were under way go on.")
            api = Api(
                apps=assembly.apps,
                runs=assembly.runs,
                starts=assembly.starts,
                retries=assembly.retries,
                end_users=assembly.end_users,
                workflows=assembly.workflows,
                version=__version__,
                max_body=settings.max_body,
                files=assembly.files,
                forms=assembly.forms,
                signer=assembly.signer,
                file_limits=assembly.file_limits,
                public_url=settings.public_url,
                now=assembly.clock,
            )

            watching = asyncio.ensure_future(assembly.forms.watch())
            indexing = asyncio.ensure_future(assembly.keyword_indexing.watch())
            pruning = asyncio.ensure_future(_prune(assembly.retention, settings.retention_days))
            reporting = asyncio.ensure_future(
                assembly.callbacks.watch(
                    lambda record: detail_body(record, lambda outputs: resign(outputs, assembly.signer, ""))
                )
            )

            async def ready(port: int) -> None:
                base = f"http://{settings.host}:{port}"
                click.echo(f"Jikko {__version__} serves {base}/v1 (data in {settings.home})")
                for key, inputs in filter(None, issued):
                    click.echo(_curl(base, key, inputs))

            async def stopping(at_once: bool) -> None:
                click.echo("Stopping at once …" if at_once else "Stopping …")
                watching.cancel()
                indexing.cancel()
                pruning.cancel()
                reporting.cancel()
                parked = await assembly.runs.close(0 if at_once else settings.shutdown_seconds)
                if parked:
                    click.echo(f"{parked} runs were parked; they go on at the next start.")

            try:
                await serve_http(
                    create_app(api),
                    host=settings.host,
                    port=settings.port,
                    ready=ready,
                    stopping=stopping,
                    log_level=settings.log_level,
                )
            except OSError as error:
                raise InvalidSettings(str(error)) from None
            finally:
                watching.cancel()
                indexing.cancel()
                pruning.cancel()
                reporting.cancel()


async def _prune(retention: Any, days: float) -> None:
    if days:
        await retention.watch(days)


async def _publish(assembly: Any, file: Path) -> tuple[str, dict[str, Any]] | None:
    """Publish a file that is new or changed. Returns a new key and inputs to try it with, if its app has no key."""
    published = await assembly.apps.publish_if_changed(_text(file), source=file.stem)
    for problem in published.warnings:
        click.echo(f"{file}: warning: {problem}", err=True)
    click.echo(f"{published.app.name}: version {published.version.number} ({published.version.id})")
    if await assembly.apps.keys(published.app):
        return None
    key: str = await assembly.apps.issue_key(published.app.id)
    click.echo(f"  key {key}  (shown only now; `jikko apps keys --new` makes another)")
    workflow = await assembly.workflows.get(published.app, published.version.id)
    return key, _to_try(workflow.inputs)


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read: {error.strerror}") from None


def _to_try(variables: Iterable[Any]) -> dict[str, Any]:
    """A value for each required input, so that the printed line runs as it is. Files have to be uploaded first."""
    samples: dict[str, Any] = {"number": 1, "checkbox": True, "json_object": {}}
    return {
        variable.name: variable.options[0] if variable.options else samples.get(variable.type, "text")
        for variable in variables
        if variable.required and variable.default in (None, "") and variable.type not in ("file", "file-list")
    }


def _curl(base: str, key: str, inputs: dict[str, Any]) -> str:
    body = json.dumps({"inputs": inputs, "user": "me", "response_mode": "streaming"}, ensure_ascii=False)
    return (
        f"  curl -N {base}/v1/workflows/run -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
        f"-d {shlex.quote(body)}"
    )
