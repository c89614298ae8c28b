"""Iteration node: runs its body once per element of an array."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Final, Self

from jikko.dsl.fields import Fields
from jikko.events import Usage
from jikko.nodes.contract import (
    ContainerContext,
    NodeConfig,
    NodeFailure,
    Result,
    RoundOutcome,
    Values,
    container_metadata,
    total,
)
from jikko.values import UNSET, Json, Selector

_MAX_PARALLEL_ROUNDS: Final = 256
"""Maximum number of concurrent rounds."""
_MAX_ANNOUNCED_ROUNDS: Final = 1000
"""Rounds that a parallel iteration announces before the first runs; others as they begin. Each costs some kilobytes.
Dify announces all, but rarely has more: by default its code node returns at most as many numbers."""
ERROR_MODES = ("terminated", "continue-on-error", "remove-abnormal-output")


class Iteration(NodeConfig, frozen=True):
    """Run the body for each element, sequentially or concurrently. Source: docs/dify-behaviour.md, “Iteration”."""

    type: ClassVar[str] = "iteration"
    isolated: ClassVar[bool] = True

    start_node_id: str
    iterator: Selector
    output: Selector
    parallel: int
    """Concurrent rounds, at most 256; 1 for sequential."""
    is_parallel: bool
    error_mode: str
    flatten: bool

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        is_parallel = data.boolean("is_parallel")
        return cls(
            start_node_id=data.text("start_node_id"),
            iterator=data.selector("iterator_selector", required=True),
            output=data.selector("output_selector", required=True),
            parallel=min(data.integer("parallel_nums", 10, minimum=1), _MAX_PARALLEL_ROUNDS) if is_parallel else 1,
            is_parallel=is_parallel,
            error_mode=data.choice("error_handle_mode", ERROR_MODES, "terminated"),
            flatten=data.boolean("flatten_output", True),
        )

    async def run(self, ctx: ContainerContext) -> Result:
        items = ctx.variables.get(self.iterator)
        if items is UNSET:
            raise NodeFailure(f"Iterator variable {list(self.iterator)} not found.", kind="WorkflowNodeError")
        if items is None or items == []:
            return Result(outputs={"output": []})
        if not isinstance(items, list):
            raise NodeFailure(
                f"Invalid iterator value {list(self.iterator)}: expected an array.", kind="WorkflowNodeError"
            )
        # After a crash a round may have changed the array; the original one counts.
        items = ctx.begin(
            {"iterator_selector": items},
            length=len(items),
            hides_failed_rounds=self.is_parallel and self.error_mode == "terminated",
        )["iterator_selector"]
        outcomes = await (self._in_parallel(ctx, items) if self.is_parallel else self._in_sequence(ctx, items))
        inputs = {"iterator_selector": items}
        usage = total(outcome.usage for outcome in outcomes)
        failed = next((outcome for outcome in outcomes if outcome.error is not None), None)
        if failed is not None and self.error_mode == "terminated":
            done = {index: outcome for index, outcome in enumerate(outcomes) if outcome.error is None}
            kept = [outcome.outputs.get("output") for outcome in done.values()]
            if self.is_parallel:
                kept = [done[index].outputs.get("output") if index in done else None for index in range(len(items))]
            raise NodeFailure(
                failed.error or "",
                inputs=inputs,
                outputs={"output": kept},
                usage=usage,
                metadata=_metadata(done, usage),
                steps=len(items),
            )
        return Result(
            outputs={"output": self._collected(outcomes)},
            inputs=inputs,
            usage=usage,
            metadata=_metadata(dict(enumerate(outcomes)), usage),
            steps=len(items),
        )

    async def _in_sequence(self, ctx: ContainerContext, items: list[Json]) -> list[RoundOutcome]:
        outcomes: list[RoundOutcome] = []
        for index, item in enumerate(items):
            await ctx.give_way()
            outcome = await ctx.run_round(index, {"item": item, "index": index}, self._kept)
            outcomes.append(outcome)
            if outcome.error is not None and self.error_mode == "terminated":
                break
        return outcomes

    async def _in_parallel(self, ctx: ContainerContext, items: list[Json]) -> list[RoundOutcome]:
        for index, item in enumerate(items[:_MAX_ANNOUNCED_ROUNDS]):
            ctx.announce_round(index, {"item": item, "index": index})
            await ctx.give_way()
        outcomes: dict[int, RoundOutcome] = {}
        waiting = iter(enumerate(items))
        failed = False

        async def work() -> None:
            nonlocal failed
            while True:
                # Before taking a round, so that rounds begin in order.
                await ctx.give_way()
                index, item = next(waiting, (-1, None))
                if index < 0:
                    return
                outcome = await ctx.run_round(index, {"item": item, "index": index}, self._kept)
                outcomes[index] = outcome
                if outcome.error is not None and self.error_mode == "terminated":
                    failed = True
                if failed:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.parallel, len(items))):
                group.create_task(work())
        return [outcomes[index] for index in sorted(outcomes)]

    def _kept(self, variables: Values) -> Mapping[str, Json]:
        value = variables.get(self.output)
        return {"output": None if value is UNSET else value}

    def _collected(self, outcomes: list[RoundOutcome]) -> list[Json]:
        values = [outcome.outputs.get("output") for outcome in outcomes]
        if self.error_mode == "remove-abnormal-output":
            if self.is_parallel:
                # This drops legitimate nulls, too. Source: docs/dify-behaviour.md, “Iteration”.
                values = [value for value in values if value is not None]
            else:
                values = [outcome.outputs.get("output") for outcome in outcomes if outcome.error is None]
        present = [value for value in values if value is not None]
        if self.flatten and present and all(isinstance(value, list) for value in present):
            return [item for value in present for item in value]
        return values


def _metadata(outcomes: Mapping[int, RoundOutcome], usage: Usage | None) -> dict[str, Json]:
    elapsed = {str(index): outcome.elapsed for index, outcome in outcomes.items()}
    return {**container_metadata(usage), "iteration_duration_map": elapsed}
