"""Data folders of killed servers of earlier commits, and their contents.

    python -m tests.acceptance.old_folder COMMIT

builds the commit in a separate environment, creates ``fixtures/killed-COMMIT.tar.gz`` with its server, and then follows
docs/upgrade.md: this version continues with the folder, and the old one takes back the copy.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.acceptance.client import Client
from tests.acceptance.processes import JIKKO, environment
from tests.acceptance.workflows import ECHO, app, end, form, node, python, start

FIXTURES: Final = Path(__file__).parent / "fixtures"
COMMITS: Final = {"e75ef27": 5, "9555f4ab": 13, "e5b14e7b": 13}
"""Before chats, with chats, and version 0.1.1; with their database versions."""
LASTING: Final = 100 * 365 * 24
"""Hours until the folder's form expires: the fixture is permanent."""
APPS: Final = {
    "echo": ECHO,
    "asks": app(
        "Asks",
        [start("q"), form("ask", "About {{#start.q#}}: {{#$output.comment#}}", LASTING), end(said="ask.comment")],
        "start>ask ask:yes>end ask:no>end",
    ),
    "slow": app(
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
    ),
}
CHAT: Final = app(
    "Chat",
    [
        start(),
        python(
            "wait",
            "import time\ndef main(q):\n    time.sleep(2 if '遅' in q else 0)\n    return {'q': q}\n",
            {"q": "string"},
            q="sys.query",
        ),
        node("say", "answer", answer="{{#sys.dialogue_count#}}: {{#wait.q#}}"),
    ],
    "start>wait>say",
    mode="advanced-chat",
)


def unpack(commit: str, home: Path) -> dict[str, Any]:
    """Unpack the folder of a commit. Returns keys by app, and run ids by state.

    States are ended, paused, running and queued; of chats ``asked`` is a complete turn and ``asking`` one in progress.
    """
    with tarfile.open(FIXTURES / f"killed-{commit}.tar.gz") as archive:
        archive.extractall(home, filter="data")
    known: dict[str, Any] = json.loads((home / "known.json").read_text("utf-8"))
    (home / "known.json").unlink()
    return known


def ask(client: Client, query: str, conversation: str = "") -> Any:
    """Complete one turn of a chat."""
    body = {"query": query, "inputs": {}, "user": client.user, "conversation_id": conversation}
    answer = client.request("POST", "/v1/chat-messages", json={**body, "response_mode": "blocking"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextmanager
def _serving(jikko: str, home: Path, keys: dict[str, str]) -> Iterator[dict[str, Client]]:
    """Clients of a server that is killed at the end. Each app runs one run at a time."""
    variables = environment(home, JIKKO_MAX_RUNS_PER_APP="1")
    process = subprocess.Popen([jikko, "serve", "--port", "0"], env=variables, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = next(found[1] for line in process.stdout if (found := re.search(r"serves (http://\S+?)/v1", line)))
    clients = {name: Client(url, key) for name, key in keys.items()}
    try:
        yield clients
    finally:
        process.kill()
        process.wait()
        for client in clients.values():
            client.close()


def _make(jikko: str, folder: Path, commit: str) -> None:
    home = folder / "home"
    apps = APPS | ({} if commit == "e75ef27" else {"chat": CHAT})
    files = []
    for name, text in apps.items():
        files.append(folder / f"{name}.yml")
        files[-1].write_text(text, encoding="utf-8")
    command = [jikko, "apps", "import", *map(str, files), "--json"]
    listing = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True).stdout
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in map(json.loads, listing.splitlines())}
    runs: dict[str, str] = {}
    with _serving(jikko, home, keys) as clients:
        runs["ended"] = clients["echo"].run(q="終わり")["workflow_run_id"]
        with clients["asks"].streaming(q="休み") as messages:
            for message in messages:
                if message["event"] == "human_input_required":
                    runs["token"] = message["data"]["form_token"]
                runs["paused"] = message["workflow_run_id"]
        if "chat" in clients:
            asked = ask(clients["chat"], "今日は 🙂")
            runs |= {"asked": asked["message_id"], "conversation": asked["conversation_id"]}
            body = {"query": "遅い", "inputs": {}, "user": "someone", "conversation_id": runs["conversation"]}
            with clients["chat"].messages(
                "POST", "/v1/chat-messages", json={**body, "response_mode": "streaming"}
            ) as messages:
                for message in messages:
                    if message["event"] == "node_started" and message["data"]["node_id"] == "wait":
                        runs |= {"asking": message["message_id"], "asking run": message["workflow_run_id"]}
                        break
        with clients["slow"].streaming(q="遅い") as messages:
            for message in messages:
                if message["event"] == "node_started" and message["data"]["node_id"] == "wait":
                    runs["under way"] = message["workflow_run_id"]
                    break
        runs["queued"] = clients["slow"].run("async", q="待つ")["workflow_run_id"]
        time.sleep(0.5)
    (home / "known.json").write_text(json.dumps({"keys": keys, "runs": runs}), "utf-8")
    with tarfile.open(FIXTURES / f"killed-{commit}.tar.gz", "w:gz") as archive:
        for path in sorted(home.iterdir()):
            archive.add(path, path.name)


def _there_and_back(jikko: str, home: Path, commit: str) -> None:
    """End the runs with this version, and with the old one on the copy it left."""
    known = unpack(commit, home)
    for command in (str(JIKKO), jikko):
        with _serving(command, home, known["keys"]) as clients:
            for name in ("under way", "queued"):
                print(command, name, clients["slow"].finished(known["runs"][name])["outputs"])
            if "chat" in clients:
                print(command, ask(clients["chat"], "更に", known["runs"]["conversation"])["answer"])
            print(command, clients["asks"].detail(known["runs"]["paused"])["status"])
        if command != jikko:
            [copy] = home.glob("jikko.db.before-*")
            for name in ("jikko.db", "jikko.db-wal", "jikko.db-shm"):
                (home / name).unlink(missing_ok=True)
            copy.rename(home / "jikko.db")


def _built(commit: str, folder: Path) -> str:
    """Return the command of a commit, with the libraries of its time."""
    source, venv = folder / "source", folder / "venv"
    root = Path(__file__).parents[2]
    subprocess.run(["git", "-C", root, "worktree", "add", "--quiet", "--detach", source, commit], check=True)
    try:
        day = subprocess.run(
            ["git", "-C", root, "show", "--no-patch", "--format=%cI", commit],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", str(venv)], check=True)
        options = ["--python", str(venv), "--exclude-newer", day, f"{source}[documents]"]
        subprocess.run([*uv, "pip", "install", *options], check=True, env={**os.environ, "JIKKO_BUILD_CONSOLE": "0"})
    finally:
        subprocess.run(["git", "-C", root, "worktree", "remove", "--force", source], check=True)
    return str(venv / "bin" / "jikko")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        program = _built(sys.argv[1], Path(name))
        _make(program, Path(name), sys.argv[1])
        _there_and_back(program, Path(name) / "again", sys.argv[1])
