"""``jikko runs trace``: the spans of a run."""

import json
import os
from pathlib import Path
from typing import Any

import click

from jikko.cli.completion import complete_run
from jikko.cli.options import home_option, json_option, run_async, settings_of


@click.command(short_help="Send the trace of a run.")
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@home_option
@json_option
def trace(run_id: str, home: Path | None, as_json: bool) -> None:
    """Send the spans of a RUN (its id, or the beginning of it) to OTEL_EXPORTER_OTLP_ENDPOINT, whenever it was.

    They are made of its log, so they are the same each time. With --json they are printed, one a line, and not sent.
    """
    run_async(_trace(run_id, settings_of(home=home), as_json))


async def _trace(run_id: str, settings: Any, as_json: bool) -> None:
    import asyncio

    from msgspec.structs import asdict

    from jikko.assemble import assemble
    from jikko.observing.traces.export import ENDPOINTS, SpanExport, is_wanted
    from jikko.observing.traces.run_traces import trace
    from jikko.observing.traces.spans import spans_of
    from jikko.runs.reading.short_ids import run_of

    if not (as_json or is_wanted(os.environ)):
        raise click.UsageError(f"Where to? Set {ENDPOINTS[1]}, such as http://127.0.0.1:4318, or use --json.")
    async with assemble(settings) as assembly:
        identity = (await run_of(assembly.store, run_id)).identity
        if as_json:
            log = await assembly.store.events(identity.run_id)
            app = await assembly.apps.find(identity.app_id)
            for span in spans_of(identity, app.name, log, content=settings.trace_content):
                click.echo(json.dumps(asdict(span)))
            return
        export = SpanExport()
        try:
            spans = await trace(identity, assembly.store, assembly.apps, export, content=settings.trace_content)
        finally:
            await asyncio.to_thread(export.close)
    click.echo(f"{len(spans)} spans were sent; the trace is {spans[0].trace_id}.")
