"""Demo of ``make run``: a server, a run over HTTP with live events, its stored record, and a chat.

Usage: python scripts/demo.py, with Jikko installed for that Python. On a terminal the server keeps running until
Ctrl-C; otherwise the program ends after the run detail, with code 0 if the run succeeded.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.yml") if not path.name.endswith(".test.yml"))
APP = "Support triage"
CHAT = "Shopping list"
QUESTIONS = ("milk and bread", "eggs, butter", "what do I have?")
INPUTS = {"message": "The shop is down and we lose orders!", "plan": "pro"}
STARTED = re.compile(r"serves (http://\S+)/v1")
JIKKO = [sys.executable, "-m", "jikko"]
MARKS = {"succeeded": "✓", "partial-succeeded": "✓", "exception": "!", "failed": "✗", "stopped": "✗"}


class Server:
    """``jikko serve`` in a subprocess."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        command = [*JIKKO, "serve", *map(str, EXAMPLES), "--port", str(port)]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            # Ctrl-C on the terminal reaches only this program, which then stops the server gracefully.
            start_new_session=True,
        )

    def wait_until_it_serves(self) -> str:
        """Return the server's address. Its output is printed only on failure."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            if found := STARTED.search(line):
                Thread(target=self._pass_on, daemon=True).start()
                return found[1]
            lines.append(line)
        sys.exit("".join(lines) + "The server did not start.")

    def _pass_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # The server prints many example commands; the one printed by this program is enough.
            if not line.startswith(("  # ", "  curl ", "  FILE_")):
                print(line, end="", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Stop gracefully and wait for the end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def main() -> int:
    """Run the demo. Returns the exit code."""
    began = time.perf_counter()
    if isinstance(sys.stdout, TextIOWrapper):
        # UTF-8 even in the C locale, and line-buffered in files.
        sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    environment = {**os.environ}
    home = environment.setdefault("JIKKO_HOME", str(ROOT / ".jikko"))
    # The server's log of runs and requests would repeat what is printed here.
    environment.setdefault("JIKKO_LOG_RUNS", "false")
    environment.setdefault("JIKKO_LOG_REQUESTS", "refused")
    server = Server(environment, _port(int(environment.get("JIKKO_PORT") or 8000)))
    try:
        base = server.wait_until_it_serves()
        print(f"Serving {len(EXAMPLES)} example workflows at {base}")
        print(f"{time.perf_counter() - began:.1f} s from launch, data in {os.path.relpath(home)}")
        key_file = _key_file(environment, base, Path(home), APP, "demo.key")
        key = key_file.read_text(encoding="utf-8").strip()
        run_id = _show_live_run(base, key)
        succeeded = _show_record(base, key, run_id)
        chat_file = _key_file(environment, base, Path(home), CHAT, "demo-chat.key")
        _show_chat(base, chat_file.read_text(encoding="utf-8").strip())
        print(f"\nTry it yourself; the API key of {APP!r} is in a file:\n\n{_curl(base, key_file)}\n")
        print(f"Documentation of the API: {base}/docs")
        if not sys.stdout.isatty():
            return 0 if succeeded else 1
        print(f"See these runs in the console; this link opens it once: {_console_link(environment, base)}")
        print(f"Another such link: {os.path.relpath(JIKKO[0])} -m jikko console --home {os.path.relpath(home)}")
        print("\nServing until Ctrl-C …")
        return server.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


def _port(wanted: int) -> int:
    """Return the wanted port, or 0 (any) if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def _console_link(environment: dict[str, str], base: str) -> str:
    """Return a sign-in link to this server's console."""
    done = subprocess.run([*JIKKO, "console", "--json"], env=environment, capture_output=True, check=True)
    _, _, path = json.loads(done.stdout)["url"].partition("/console/")
    return f"{base}/console/{path}"


def _key_file(environment: dict[str, str], base: str, home: Path, app: str, name: str) -> Path:
    """Return the file with an API key of an app, reusing the previous one if possible."""
    file = home / name
    try:
        _get(f"{base}/v1/info", file.read_text(encoding="utf-8").strip())
    except (OSError, HTTPError):
        command = [*JIKKO, "apps", "keys", app, "--new", "--to", str(file)]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return file


def _show_live_run(base: str, key: str) -> str:
    print(f"\nPOST /v1/workflows/run\n{_cut(json.dumps(INPUTS))}\n")
    body = {"inputs": INPUTS, "user": "demo", "response_mode": "streaming"}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.perf_counter()
    run_id = ""
    with urlopen(Request(f"{base}/v1/workflows/run", json.dumps(body).encode(), headers), timeout=60) as answer:
        for event in _events(answer):
            run_id = event["workflow_run_id"]
            data = event["data"]
            milliseconds = (time.perf_counter() - began) * 1000
            print(_cut(f"  {milliseconds:7.1f} ms  {event['event']:18}  {_about(data)}".rstrip()))
    return run_id


def _show_chat(base: str, key: str) -> None:
    """Chat in one conversation, printing the answers as they stream."""
    print(f"\nPOST /v1/chat-messages, {len(QUESTIONS)} times in one conversation of {CHAT!r}\n")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    conversation = ""
    for query in QUESTIONS:
        body: dict[str, Any] = {"query": query, "inputs": {}, "user": "demo", "response_mode": "streaming"}
        body |= {"conversation_id": conversation, "auto_generate_name": False}
        answer = ""
        with urlopen(Request(f"{base}/v1/chat-messages", json.dumps(body).encode(), headers), timeout=60) as stream:
            for event in _events(stream):
                conversation = event["conversation_id"]
                answer += event["answer"] if event["event"] == "message" else ""
        print(_cut(f"  you    {query}"))
        print(
            "\n".join(
                _cut(f"  {'chat' if not count else '':6} {line}") for count, line in enumerate(answer.split("\n"))
            )
        )


def _events(answer: Any) -> Iterator[dict[str, Any]]:
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def _about(data: dict[str, Any]) -> str:
    if "text" in data:
        return f"  {json.dumps(data['text'], ensure_ascii=False)}"
    name = f"{data['title']} ({data['node_type']})" if "node_type" in data else ""
    status = data.get("status", "running")
    if status == "running":
        return f"  {name}"
    error = f"  {data['error']}" if data.get("error") else ""
    return f"{MARKS.get(status, '?')} {name or status}{error}"


def _show_record(base: str, key: str, run_id: str) -> bool:
    path = f"/v1/workflows/run/{run_id}"
    run = _get(base + path, key)
    print(f"\nGET {path}\n")
    for name, value in run.items():
        # Dify stores inputs as JSON text; a second pair of quotes is avoided.
        print(_cut(f"  {name:14} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"))
    print(f"\nGET {path}/node-executions\n")
    nodes = _get(f"{base}{path}/node-executions", key)["data"]
    width = max(len(node["title"]) for node in nodes)
    for node in nodes:
        mark, took = MARKS.get(node["status"], "?"), node["elapsed_time"] * 1000
        print(_cut(f"  {mark} {node['title']:{width}}  {took:6.1f} ms  {_shown(node['outputs'])}".rstrip()))
    return bool(run["status"] == "succeeded")


def _shown(outputs: dict[str, Any] | None) -> str:
    shown = {name: value for name, value in (outputs or {}).items() if not name.startswith("sys.")}
    return json.dumps(shown, ensure_ascii=False)


def _cut(line: str) -> str:
    """Cut a line to the terminal's width; 80 columns elsewhere."""
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _get(url: str, key: str) -> dict[str, Any]:
    with urlopen(Request(url, headers={"Authorization": f"Bearer {key}"}), timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _curl(base: str, key_file: Path) -> str:
    return f"""curl {base}/v1/workflows/run \\
  -H "Authorization: Bearer $(cat {shlex.quote(os.path.relpath(key_file))})" \\
  -H 'Content-Type: application/json' \\
  -d '{{"user": "me", "inputs":
      {json.dumps(INPUTS)}}}'"""


if __name__ == "__main__":
    sys.exit(main())
