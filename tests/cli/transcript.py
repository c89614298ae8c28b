"""Texts and exit codes of commands on one data folder, in this process, as a user reads them.

Usage: python -m tests.cli.transcript rewrites ``transcript.txt``: one block per command, with ids, times and paths
replaced. Lines of standard error begin with ``!``; read the difference before committing it.
"""

import asyncio
import json
import re
import shlex
import tempfile
from getpass import getuser
from pathlib import Path
from typing import Final

import httpx
from click.testing import CliRunner, Result

from jikko.assemble import assemble
from jikko.cli.main import cli
from jikko.http.app import create_app
from jikko.settings import Settings
from tests.acceptance.workflows import ASKS, ECHO, app, end, node, start, template
from tests.effort import PATIENCE

TABLE: Final = Path(__file__).with_name("transcript.txt")
_COMMANDS: Final = Path(__file__).with_name("transcript_commands.txt")
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "shop/1", "Accept-Encoding": "identity"}
_ORDERS: Final = app(
    "注文 🧾",
    [
        node(
            "hook",
            "trigger-webhook",
            method="post",
            content_type="application/json",
            body=[{"name": "n", "type": "number", "required": True}],
        ),
        template("text", "{% if n %}{{ n }} 個{% else %}{{ 無い.x }}{% endif %}", n="hook.n"),
        end(text="text.output"),
        node("clock", "trigger-schedule", mode="cron", cron_expression="0 * * * *"),
    ],
    "hook>text>end clock>text",
)
"""Fails for the number 0."""
_CHAT: Final = app(
    "Chat 💬",
    [start(), node("answer", "answer", answer="{{#sys.query#}}?")],
    "start>answer",
    mode="advanced-chat",
    features={"opening_statement": "ようこそ", "suggested_questions": ["何？"]},
)
_CHANGING: Final = (
    (r"\d+:\d\d min|\b\d+(\.\d+)? (s|ms|min|h|d)\b( ago)?|just now", "SPAN"),
    (r"\b1[7-9]\d{8}\b(\.\d+)?", "SECONDS"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"-[0-9a-f]{12}\b", "-HASH"),
    (r"\b(app-|jko_)[\w-]{4,}(?=[\s…]|$)", r"\1KEY"),
    (r"(?<=/triggers/webhook/)[\w-]+", "ADDRESS"),
    (rf"\b{re.escape(getuser())}\b(?=  cli  )", "USER"),
    (r"\b\d{5,} bytes", "SIZE"),
    (r" {2,}", "  "),
)


class Terminal:
    """Data folder with commands that are typed one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}
        for name, text in {"echo": ECHO, "asks": ASKS, "orders": _ORDERS, "chat": _CHAT}.items():
            (folder / f"{name}.yml").write_text(text, encoding="utf-8")

    def type(self, line: str) -> str:
        """Run a command, with standard input behind ``<<``, and return its block. ``RUN1`` is the first run that was
        begun, ``DELIVERY1`` the first call of the webhook."""
        words = [self._names.get(word, word.replace("FOLDER", str(self._folder))) for word in shlex.split(line)]
        if words[0] == "POST":
            told = [asyncio.run(self._called(*words[1:]))]
        else:
            words, given = (words[:-2], words[-1]) if "<<" in words else (words, "")
            outcome = self._run(*words, given=given.replace("\\n", "\n"))
            told = [*outcome.stdout.splitlines(), *(f"! {each}" for each in outcome.stderr.splitlines())]
            told += [f"[{outcome.exit_code}]"] if outcome.exit_code else []
        if {"POST", "run", "retry", "replay"} & {*words}:
            self._note_ids("runs", "RUN", "workflow_run_id")
            self._note_ids("deliveries", "DELIVERY", "id")
        return "\n".join([f"$ {line}" if words[0] == "POST" else f"$ jikko {line}", *map(self._steady, told), ""])

    async def _called(self, trigger: str, body: str) -> str:
        """Call a webhook, and return the answer once the run has ended."""
        async with assemble(Settings(home=self._folder / "home")) as assembly:
            webhook = await assembly.triggers.find(trigger)
            transport = httpx.ASGITransport(create_app(assembly))
            async with httpx.AsyncClient(transport=transport, base_url="http://jikko") as client:
                answer = await client.post(f"/triggers/webhook/{webhook.address}", content=body, headers=_HEADERS)
            await assembly.runs.close(PATIENCE)
        return f"{answer.status_code}  {answer.text}"

    def _run(self, *words: str, given: str = "") -> Result:
        environment = {"JIKKO_HOME": str(self._folder / "home"), "JIKKO_PORT": "0", "LC_ALL": "C.UTF-8"}
        return CliRunner(env=environment).invoke(cli, words, given, prog_name="jikko", catch_exceptions=False)

    def _note_ids(self, command: str, name: str, field: str) -> None:
        listed = self._run(command, "list", "--json").stdout.splitlines()
        ids = [id_ for id_ in (json.loads(each)[field] for each in reversed(listed)) if id_ not in self._names.values()]
        count = sum(known.startswith(name) for known in self._names)
        self._names |= {f"{name}{number}": id_ for number, id_ in enumerate(ids, count + 1)}

    def _steady(self, text: str) -> str:
        text = text.replace(str(self._folder), "FOLDER")
        for name, id_ in self._names.items():
            text = text.replace(id_, name)
        for pattern, name in _CHANGING:
            text = re.sub(pattern, name, text)
        return text.rstrip()


def transcript(folder: Path) -> str:
    """Return the blocks of all commands."""
    terminal = Terminal(folder)
    return "\n".join(map(terminal.type, filter(None, _COMMANDS.read_text("utf-8").splitlines())))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        TABLE.write_text(transcript(Path(name)), encoding="utf-8")
