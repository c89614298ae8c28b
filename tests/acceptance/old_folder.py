"""A data folder as a server of version 0.1.0 left it when it was killed, and what is in it.

    python -m tests.acceptance.old_folder JIKKO

makes ``fixtures/killed-0.1.0.tar.gz`` with the command of a wheel of that version.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.acceptance.client import Client
from tests.acceptance.processes import environment
from tests.acceptance.workflows import ECHO, app, end, form, python, start

FILE = Path(__file__).parent / "fixtures" / "killed-0.1.0.tar.gz"
LASTING = 100 * 365 * 24
"""Hours for which the form of the folder can be answered: the file is kept, and must not run out."""
ASKS = app(
    "Asks",
    [start("q"), form("ask", "About {{#start.q#}}: {{#$output.comment#}}", LASTING), end(said="ask.comment")],
    "start>ask ask:yes>end ask:no>end",
)
SLOW = app(
    "Slow",
    [
        start("q"),
        python("first", "def main(q):\n    return {'text': q * 2}\n", {"text": "string"}, q="start.q"),
        python(
            "wait",
            "import time\ndef main(text):\n    time.sleep(2)\n    return {'text': text + '。'}\n",
            {"text": "string"},
            text="first.text",
        ),
        end(text="wait.text"),
    ],
    "start>first>wait>end",
)


def unpack(home: Path) -> dict[str, Any]:
    """Put it there. Returns keys by app, and of each run its id by what it is: ended, paused, under way."""
    with tarfile.open(FILE) as archive:
        archive.extractall(home, filter="data")
    known: dict[str, Any] = json.loads((home / "known.json").read_text())
    (home / "known.json").unlink()
    return known


def _make(jikko: str, folder: Path) -> None:
    home = folder / "home"
    files = []
    for name, text in {"echo": ECHO, "asks": ASKS, "slow": SLOW}.items():
        files.append(folder / f"{name}.yml")
        files[-1].write_text(text, encoding="utf-8")
    command = [jikko, "apps", "import", *map(str, files), "--json"]
    listing = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True).stdout
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in map(json.loads, listing.splitlines())}
    process = subprocess.Popen(
        [jikko, "serve", "--port", "0"], env=environment(home), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = next(found[1] for line in process.stdout if (found := re.search(r"serves (http://\S+?)/v1", line)))
    clients = {name: Client(url, key) for name, key in keys.items()}
    runs = {"ended": clients["echo"].run(q="終わり")["workflow_run_id"]}
    with clients["asks"].streaming(q="休み") as messages:
        for message in messages:
            if message["event"] == "human_input_required":
                runs["token"] = message["data"]["form_token"]
            runs["paused"] = message["workflow_run_id"]
    with clients["slow"].streaming(q="遅い") as messages:
        for message in messages:
            if message["event"] == "node_started" and message["data"]["node_id"] == "wait":
                runs["under way"] = message["workflow_run_id"]
                time.sleep(0.5)
                break
    process.kill()
    process.wait()
    for client in clients.values():
        client.close()
    (home / "known.json").write_text(json.dumps({"keys": keys, "runs": runs}))
    with tarfile.open(FILE, "w:gz") as archive:
        for path in sorted(home.iterdir()):
            archive.add(path, path.name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        _make(sys.argv[1], Path(name))
