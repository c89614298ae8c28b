"""``jikko replay`` over 10,000 recorded runs of ten nodes: of the version that they were of, and of a changed one.

One run is made, with a fake model; the others are copies of its line, each with an id of its own. The command is timed
as a user starts it, from its start to its exit.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, figure, node
from benchmarks.sizes import sized

RUNS = sized(10_000, 40)
JIKKO = str(Path(sys.executable).parent / "jikko")


def flow(text: str) -> dict[str, Any]:
    """Start, a model, a chain of if-else and aggregators, and the end: ten nodes."""
    made = chain(9)
    model = {"provider": "openai", "name": "gpt", "mode": "chat", "completion_params": {"temperature": 0.3}}
    prompt = [{"role": "user", "text": text}]
    graph = made["workflow"]["graph"]
    graph["nodes"].append(node("draft", "llm", model=model, prompt_template=prompt, context={"enabled": False}))
    graph["edges"][0]["source"] = "draft"
    graph["edges"].append({"source": "start", "target": "draft", "sourceHandle": "source"})
    return made


def copies(line: str, count: int) -> str:
    """So many runs."""
    run = json.loads(line)["owner"]
    own, task = run["run_id"], run["task_id"]
    numbered = (
        line.replace(own, f"{own[:24]}{number:012x}").replace(task, f"{task[:24]}{number:012x}")
        for number in range(count)
    )
    return "\n".join(numbered) + "\n"


def called(home: Path, *words: str) -> tuple[str, float, float]:
    """What the command prints, how long it takes, and the processor time of that, in seconds."""
    began, used = time.perf_counter(), _used()
    environment = {**os.environ, "JIKKO_HOME": str(home)}
    done = subprocess.run([JIKKO, *words], env=environment, text=True, capture_output=True, check=False)
    return done.stdout, time.perf_counter() - began, _used() - used


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        files = {}
        for name, text in (("as_it_was", "Say {{#start.q#}}"), ("changed", "Tell {{#start.q#}}")):
            files[name] = Path(folder) / f"{name}.yml"
            files[name].write_text(json.dumps(flow(text)), encoding="utf-8")
        called(home, "run", str(files["as_it_was"]), "-i", "q=hello", "--keep", "--fake-models")
        line, *_ = called(home, "runs", "export")
        export = Path(folder) / "runs.jsonl"
        export.write_text(copies(line.strip(), RUNS), encoding="utf-8")
        called(home, "runs", "import", str(export))
        for name, outcome, words in (
            ("replay of a data folder", "same", ("--app", "chain9", "--last", str(RUNS))),
            (
                "replay of a data folder, a prompt changed",
                "same_result",
                ("--app", "chain9", "--last", str(RUNS), "--against", str(files["changed"])),
            ),
            ("replay of an export", "same", ("--from", str(export), "--against", str(files["as_it_was"]))),
        ):
            out, seconds, used = called(home, "replay", "--json", *words)
            summary = json.loads(out.splitlines()[-1])["summary"]
            assert summary[outcome] == RUNS, summary
            figure(f"{name}: {RUNS:,} runs of 10 nodes", seconds, "s", aim="≤ 10 s")
            figure(f"{name}: processor", used, "s")


if __name__ == "__main__":
    main()
