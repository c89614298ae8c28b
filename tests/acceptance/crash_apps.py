"""Workflows of the crash test. Every side effect of a node is a call of the echo server, whose path names run, node and
round: it shows which node ran when and how often."""

from dataclasses import dataclass
from typing import Any

from tests.acceptance.workflows import Node, app, end, fetch, first_of, if_contains, iteration, python, start, template

RUN = "{{#sys.workflow_run_id#}}"


@dataclass(frozen=True)
class CrashApp:
    """Workflow with its expected outputs for an input ``q``."""

    text: str
    outputs: dict[str, Any]
    """``{q}`` stands for the input, ``{run}`` for the run id."""

    def expected(self, q: str, run_id: str) -> dict[str, Any]:
        def fill(value: Any) -> Any:
            if isinstance(value, list):
                return [fill(item) for item in value]
            return value.replace("{q}", q).replace("{run}", run_id)

        return {name: fill(value) for name, value in self.outputs.items()}


def crash_apps(url: str) -> dict[str, CrashApp]:
    def call(node_id: str) -> Node:
        return fetch(node_id, f"{url}/{RUN}/{node_id}")

    shout = python("shout", "def main(q):\n    return {'text': q + '!'}\n", {"text": "string"}, q="start.q")
    split = python("split", "def main():\n    return {'items': ['a', 'b', 'c']}\n", {"items": "array[string]"})
    round_call = fetch("round", f"{url}/{RUN}/round/{{{{#each.index#}}}}")
    calls = [f"call{index}" for index in range(4)]
    chain = [f"step{index}" for index in range(8)]
    sources = ["start.q", *(f"{name}.output" for name in chain)]
    return {
        "quick": CrashApp(app("quick", [start("q"), end(q="start.q")], "start>end"), {"q": "{q}"}),
        "chain": CrashApp(
            app(
                "chain",
                [
                    start("q"),
                    *(first_of(name, source) for name, source in zip(chain, sources, strict=False)),
                    if_contains("any", "step7.output", "never"),
                    end(q="step7.output"),
                ],
                "start>step0 " + " ".join(f"step{i}>step{i + 1}" for i in range(7)) + " step7>any any:false>end",
            ),
            {"q": "{q}"},
        ),
        "calls": CrashApp(
            app(
                "calls",
                [start("q"), *map(call, calls), end(q="start.q", last="call3.body")],
                "start>call0 call0>call1 call1>call2 call2>call3 call3>end",
            ),
            {"q": "{q}", "last": "/{run}/call3"},
        ),
        "user-code": CrashApp(
            app(
                "user-code",
                [
                    start("q"),
                    shout,
                    call("between"),
                    template("say", "<{{ t }}>", t="shout.text"),
                    end(said="say.output"),
                ],
                "start>shout shout>between between>say say>end",
            ),
            {"said": "<{q}!>"},
        ),
        "wide": CrashApp(
            app(
                "wide",
                [
                    start("q"),
                    *map(call, calls),
                    template("join", "{{ a }} {{ d }}", a="call0.body", d="call3.body"),
                    end(all="join.output"),
                ],
                " ".join(f"start>{name} {name}>join" for name in calls) + " join>end",
            ),
            {"all": "/{run}/call0 /{run}/call3"},
        ),
        "rounds": CrashApp(
            app(
                "rounds",
                [
                    start("q"),
                    split,
                    *iteration("each", "split.items", "round.body", round_call),
                    call("after"),
                    end(got="each.output", q="start.q"),
                ],
                "start>split split>each each-start>round each>after after>end",
            ),
            {"got": ["/{run}/round/0", "/{run}/round/1", "/{run}/round/2"], "q": "{q}"},
        ),
        "rounds-at-once": CrashApp(
            app(
                "rounds-at-once",
                [
                    start("q"),
                    split,
                    *iteration("each", "split.items", "round.body", round_call, parallel=3),
                    end(got="each.output", q="start.q"),
                ],
                "start>split split>each each-start>round each>end",
            ),
            {"got": ["/{run}/round/0", "/{run}/round/1", "/{run}/round/2"], "q": "{q}"},
        ),
    }
