"""``jikko runs trace``: the spans of a run."""

import json
import os

import click

from jikko.cli.completion import complete_run
from jikko.cli.options import assembled, existing, with_settings
from jikko.observing.traces import run_traces
from jikko.observing.traces.export import ENDPOINTS, SpanExport, is_wanted
from jikko.observing.traces.spans import spans_of
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@with_settings
async def trace(settings: Settings, run_id: str, as_json: bool) -> None:
    """Send the spans of a RUN (its id, or the beginning of it) to OTEL_EXPORTER_OTLP_ENDPOINT, whenever it was.

    They are made of its log, so they are the same each time. With --json they are printed, one a line, and not sent.
    """
    import asyncio

    from msgspec.structs import asdict

    if not (as_json or is_wanted(os.environ)):
        raise click.UsageError(f"Where to? Set {ENDPOINTS[1]}, such as http://127.0.0.1:4318, or use --json.")
    async with assembled(existing(settings)) as assembly:
        identity = (await run_of(assembly.store, run_id)).identity
        if as_json:
            log = await assembly.store.events(identity.run_id)
            app = await assembly.apps.find(identity.app_id)
            for span in spans_of(identity, app.name, log, content=settings.trace_content):
                click.echo(json.dumps(asdict(span)))
            return
        export = SpanExport()
        try:
            spans = await run_traces.trace(
                identity, assembly.store, assembly.apps, export, content=settings.trace_content
            )
        finally:
            await asyncio.to_thread(export.close)
    click.echo(f"{len(spans)} spans were sent; the trace is {spans[0].trace_id}.")
