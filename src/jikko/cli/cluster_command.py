"""Commands ``jikko cluster``, a trial cluster on this machine; and ``jikko servers``, which lists and drains
servers."""

import json
import os
import shlex
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import Workflow, check, inputs_of
from jikko.assemble.build_cluster import access_of
from jikko.cli.command_failure import Failure
from jikko.cli.options import failure, json_option, providers_option, settings_of, with_settings
from jikko.cli.output import ago, show_entry, show_nothing, show_table
from jikko.errors import JikkoError
from jikko.exit_codes import ExitCode
from jikko.nodes.registry import BY_TYPE
from jikko.server.curl_examples import bearer, example_lines
from jikko.server.local_cluster.local_cluster import SAMPLE, ClusterApp, LocalCluster
from jikko.server.process_signals import ending_signals
from jikko.settings import Settings
from jikko.terminal_text import printable

if TYPE_CHECKING:
    from jikko.assemble.servers import SeenServer, SeenServers


_POLL_SECONDS: Final = 0.2
_RUN_ID: Final = """sed 's/.*"workflow_run_id": *"\\([^"]*\\)".*/\\1/'"""


@click.group()
def cluster() -> None:
    """Try a cluster of several servers on this machine."""


@cluster.command(short_help="Start a cluster here, until Ctrl-C.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--servers", type=click.IntRange(1, 20), default=3, show_default=True, help="How many servers.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8001, help="Port of the first server; 0: any free ones."
)
@click.option("--postgres", default="", metavar="URL", help="A database to use.  [default: a new PostgreSQL server]")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep all data in FOLDER, and continue with it next time.  [default: keep nothing]",
)
@providers_option
@json_option
def up(
    files: tuple[Path, ...],
    servers: int,
    port: int,
    postgres: str,
    keep: Path | None,
    providers: Path | None,
    as_json: bool,
) -> None:
    """Start PostgreSQL, NATS, a bucket and several servers on this machine, and serve FILES (or a sample) on all.

    They are real processes: PostgreSQL from this machine's packages, NATS and rclone from the extra `cluster-try`. The
    command prints lines to try: start a run at one server, follow it at another, kill the first. Other JIKKO_…
    variables apply to every server. Ctrl-C ends all processes, a second one at once.
    """
    if port and port + servers > 65_536:
        raise click.UsageError(f"--port: {servers} servers from {port} on need ports above 65535")
    settings_of(database_url=postgres)
    if providers is not None:
        os.environ["JIKKO_PROVIDERS"] = str(providers.absolute())
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler)
    ports = [port and port + number for number in range(servers)]
    try:
        with _folders(keep) as (folder, sockets):
            started = LocalCluster(folder, sockets, postgres, ports, durable=keep is not None)
            try:
                started.start(files or [SAMPLE])
                for line in [json.dumps(_entry(started), ensure_ascii=False)] if as_json else _lines(started, keep):
                    click.echo(line)
                _watch(started)
            except KeyboardInterrupt:
                click.echo("Ending.", err=True)
            finally:
                _end(started)
    except JikkoError as error:
        raise failure(error) from None


@contextmanager
def _folders(keep: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield a folder for data and one for sockets. Both are passable for another user, who runs PostgreSQL for root."""
    mode = 0o700 if os.geteuid() else 0o711
    with tempfile.TemporaryDirectory(prefix="jikko-cluster-") as name:
        temporary = Path(name)
        temporary.chmod(mode)
        sockets = temporary / "sockets"
        sockets.mkdir(0o700)
        folder = temporary if keep is None else keep.absolute()
        try:
            folder.mkdir(mode, parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"{folder} cannot be made: {error.strerror}") from None
        yield folder, sockets


def _watch(started: LocalCluster) -> None:
    """Report ended processes, until Ctrl-C or the end of the last server."""
    ended: set[str] = set()
    while any(member.exit_code is None for member in started.members):
        for service in started.services:
            if (code := service.exit_code) is not None and service.title not in ended:
                ended.add(service.title)
                how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code}; see {service.log}"
                click.echo(f"{service.title} {how}.", err=True)
        time.sleep(_POLL_SECONDS)
    raise Failure("all servers have ended")


def _end(started: LocalCluster) -> None:
    try:
        started.stop()
    except KeyboardInterrupt:
        started.kill()


def _entry(started: LocalCluster) -> dict[str, object]:
    return {
        "servers": [{"url": member.url, "process": member.pid} for member in started.members],
        "apps": [{"name": app.name, "key_file": str(app.key_file)} for app in started.apps],
        "settings": str(started.settings_file),
    }


def _lines(started: LocalCluster, keep: Path | None) -> Iterator[str]:
    for member in started.members:
        yield f"{member.title}: {member.url}  (process {member.pid})"
    for app in started.apps:
        yield ""
        yield from _lines_of(app, started)
    yield ""
    yield "Other commands with this cluster, such as `jikko servers list` and `jikko apps import FILE`, after:"
    yield f"  . {shlex.quote(str(started.settings_file))}"
    yield ""
    if keep is None:
        yield f"Ctrl-C ends all processes and removes {started.folder}."
    else:
        yield f"Ctrl-C ends all processes. {started.folder} is kept: the same command goes on from it."


def _lines_of(app: ClusterApp, started: LocalCluster) -> Sequence[str]:
    """Return commands to try with an app: start a run, follow it elsewhere, kill its server."""
    first, other = started.members[0], started.members[-1]
    key = bearer("", app.key_file)
    document, graph = check(read_dsl_file(app.file), source=app.name, node_classes=BY_TYPE).require()
    workflow = Workflow("", "", document, graph, inputs_of(graph))
    head = f"{printable(app.name)}: key in {app.key_file}"
    if workflow.document.mode != "workflow":
        return [head, *example_lines(first.url, key, workflow)]
    *uploads, start = example_lines(first.url, key, workflow, response_mode="async")
    if "curl" not in start:
        return [head, *uploads, start]
    return [
        head,
        f"- Start a run at {first.title}:",
        *uploads,
        f"  RUN=$({start.strip().replace('curl -N', 'curl -s', 1)} | {_RUN_ID})",
        f"- Follow it at {other.title}:",
        f"  curl -N {other.url}/v1/workflows/run/$RUN/events -H 'Accept: text/event-stream' -H {key}",
        f"- Kill {first.title}, which executes it; another server takes over the run a few seconds later:",
        f"  kill -9 {first.pid}",
    ]


_HEAD = ("SERVER", "VERSION", "SINCE", "RUNS", "READY", "DIFFERS IN")


@click.group()
def servers() -> None:
    """List the servers that share a database, and drain one."""


@servers.command("list", short_help="List the servers that share the work.")
@with_settings
async def list_(settings: Settings, as_json: bool) -> None:
    """List the live servers: name, number of active runs, readiness, and deviations from most servers (version,
    providers, tools, plugins, packages, settings)."""
    async with _seen(settings) as seen:
        found = await seen.all()
    if not found:
        show_nothing("no server shares this database now", as_json=as_json)
    show_table(_HEAD, [(server._asdict(), _row(server)) for server in found], as_json=as_json)


@servers.command(short_help="Stop a server gracefully.")
@click.argument("name")
@with_settings
async def drain(settings: Settings, name: str, as_json: bool) -> None:
    """Stop the server NAME gracefully, as SIGTERM does: it is not ready, and its runs end or continue on others.

    NAME may be a unique prefix. A service manager (systemd, Kubernetes) may restart the server.
    """
    async with _seen(settings) as seen:
        there = await seen.all()
        meant = [server for server in there if server.name == name] or [
            # A command that executes a run is listed too, without any state.
            server
            for server in there
            if name and server.since and server.name.startswith(name)
        ]
        if len(meant) != 1:
            names = ", ".join(server.name for server in meant or there) or "none"
            what = f"{name} is the beginning of several names" if meant else f"no server {name} among them"
            raise Failure(f"{what}: {names}", exit_code=ExitCode.NOT_FOUND, code="not_found")
        [server] = meant
        if not await seen.end(server):
            message = f"{server.name} did not accept: it does not answer, or has an earlier version"
            raise Failure(message, exit_code=ExitCode.UNAVAILABLE, code="service_unavailable")
    text = f"{server.name} ends; {server.runs} runs end there or continue on others"
    show_entry({"name": server.name, "ends": True}, text, as_json=as_json)


def _seen(settings: Settings) -> "AbstractAsyncContextManager[SeenServers]":
    access_of(settings)  # reports a missing library
    from jikko.assemble.servers import seen_servers

    return seen_servers(settings)


def _row(server: "SeenServer") -> tuple[str, ...]:
    return (
        server.name,
        server.version,
        ago(server.since, time.time()) if server.since else "",
        str(server.runs),
        f"no: {', '.join(server.failing)}" if server.failing else "yes",
        ", ".join(server.differs),
    )
