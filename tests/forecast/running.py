"""Runs files in this process, for comparison with their forecasts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jikko.apps.versions import CheckedFile, check
from jikko.assemble import Assembly, assemble
from jikko.assemble.build_tools import known_strategies, known_tools
from jikko.errors import JikkoError
from jikko.events import NodeFinished, RunFinished
from jikko.forecast.forecast import Forecast, forecast
from jikko.forecast.known_installation import Installation, installation
from jikko.nodes.registry import BY_TYPE
from jikko.ports.agents import Strategies
from jikko.ports.tools import Tools
from jikko.runs.runs import StartRequest
from jikko.settings import Settings


@dataclass(frozen=True)
class Ran:
    """End of a run."""

    status: str
    error: str
    failed: tuple[str, ...]
    """Ids of failed nodes, in order."""


def checked(text: str | bytes) -> CheckedFile:
    return check(text.encode() if isinstance(text, str) else text, source="test", node_classes=BY_TYPE)


def foretold(text: str | bytes, here: Installation | None = None) -> Forecast:
    return forecast(checked(text), here or Installation(tools=_tools()))


def here(providers: Path | None, **more: Any) -> Installation:
    """Return an installation without environment variables."""
    return installation(providers, {}, **{"tools": _tools, "strategies": _strategies, **more})


def _tools() -> Tools:
    """Return the tools of an installation without a tools file."""
    return known_tools(Settings(home=Path()), {})


def _strategies() -> Strategies:
    """Return the strategies of an installation without plugins."""
    return known_strategies(Settings(home=Path()), {})


async def ran(text: str | bytes, inputs: Mapping[str, Any], home: Path, providers: Path | None) -> Ran:
    """Run a file to its end. A refused run has no failed nodes."""
    async with installed(home, providers) as assembly:
        return await ran_in(assembly, text, inputs)


@asynccontextmanager
async def installed(home: Path, providers: Path | None) -> AsyncIterator[Assembly]:
    """Installation without environment variables, for any number of runs."""
    async with assemble(Settings(home=home, providers=providers), in_memory=True, environment={}) as assembly:
        yield assembly
        await assembly.runs.close(0)


async def ran_in(assembly: Assembly, text: str | bytes, inputs: Mapping[str, Any]) -> Ran:
    """Likewise, in an installation that is there."""
    published = await assembly.apps.publish(text.encode() if isinstance(text, str) else text, source="test")
    failed = []
    try:
        live = await assembly.runs.start(published.app, StartRequest(inputs=dict(inputs), user="tester"))
    except JikkoError as error:
        return Ran("refused", str(error), ())
    async for batch in live.follow():
        for _, event in batch:
            if isinstance(event, NodeFinished) and event.status == "failed":
                failed.append(event.node_id)
            if isinstance(event, RunFinished):
                end = event
    return Ran(end.status, end.error or "", tuple(failed))
