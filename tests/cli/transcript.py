"""Texts and exit codes of commands as a user reads them: on one data folder, and on a server elsewhere. All run in this
process.

Usage: python -m tests.cli.transcript rewrites ``transcript_here.txt`` and ``transcript_elsewhere.txt``: one block per
command, with ids, times and paths replaced. Lines of standard error begin with ``!``; read the difference before
committing it.
"""

import asyncio
import json
import re
import shlex
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from click.testing import CliRunner, Result

from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.cli.audited import system_user
from jikko.cli.main import cli
from jikko.http.app import create_app
from jikko.ports.stores.run_store import LogQuery
from jikko.settings import Settings
from tests.acceptance.workflows import ASKS, ECHO, app, end, node, start, template
from tests.effort import PATIENCE
from tests.runs.world import until

_FOLDER: Final = Path(__file__).parent
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
_FILE: Final = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
_COPY: Final = app(
    "写し 📎",
    [
        node(
            "start", "start", variables=[{"variable": "doc", "label": "doc", "type": "file", "required": True, **_FILE}]
        ),
        end(doc="start.doc"),
    ],
    "start>end",
)
"""Outputs the file that it is given."""
_CHANGING: Final = (
    (r"\d+:\d\d min|\b\d+(\.\d+)? (s|ms|min|h|d)\b( ago)?|just now", "SPAN"),
    (r"\b\d{1,3}\.\d{4,}(e-\d+)?\b|(?<=\": )\d+\.\d+", "SPAN"),
    (r"\b1[7-9]\d{8}\b(\.\d+)?", "SECONDS"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"-[0-9a-f]{12}\b", "-HASH"),
    (r"\b(app-|jko_)[\w-]{4,}(?=[\s…]|$)", r"\1KEY"),
    (r"(?<=/triggers/webhook/)[\w-]+", "ADDRESS"),
    (r"(?<=whsec_)\S+", "KEY"),
    (r"([?&](timestamp|nonce|sign))=[\w%=-]+", r"\1=SIGN"),
    (rf"\b{re.escape(system_user())}\b(?= +cli )", "USER"),
    (r"\b\d{5,} bytes", "SIZE"),
    (r" {2,}", "  "),
)


class Terminal:
    """Commands that are typed one after the other, on a data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {"JIKKO_HOME": str(folder / "home"), "JIKKO_PORT": "0", "LC_ALL": "C.UTF-8"}
        self._names: dict[str, str] = {}
        for name, text in {"echo": ECHO, "asks": ASKS, "orders": _ORDERS, "chat": _CHAT, "copy": _COPY}.items():
            (folder / f"{name}.yml").write_text(text, encoding="utf-8")
        (folder / "覚え.txt").write_text("猫 🐈\n", encoding="utf-8")

    def close(self) -> None:
        """Nothing goes on."""

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
            self._note_ids("runs", "RUN")
            self._note_ids("deliveries", "DELIVERY")
        return "\n".join([f"$ {line}" if words[0] == "POST" else f"$ jikko {line}", *map(self._steady, told), ""])

    async def _called(self, trigger: str, body: str) -> str:
        async with assemble(Settings(home=self._folder / "home")) as assembly:
            return await _call(assembly, trigger, body)

    def _run(self, *words: str, given: str = "") -> Result:
        return CliRunner(env=self._environment).invoke(cli, words, given, prog_name="jikko", catch_exceptions=False)

    def _note_ids(self, command: str, name: str) -> None:
        listed = [json.loads(line) for line in self._run(command, "list", "--json").stdout.splitlines()]
        ids = [each.get("workflow_run_id") or each["id"] for each in reversed(listed)]
        new = [id_ for id_ in ids if id_ not in self._names.values()]
        count = sum(known.startswith(name) for known in self._names)
        self._names |= {f"{name}{number}": id_ for number, id_ in enumerate(new, count + 1)}

    def _steady(self, text: str) -> str:
        text = text.replace(str(self._folder), "FOLDER")
        for name, id_ in self._names.items():
            text = text.replace(id_, name)
        for pattern, name in _CHANGING:
            text = re.sub(pattern, name, text)
        return text.rstrip()


class RemoteTerminal(Terminal):
    """Commands for a server in another thread, which has a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        made = self._run("console", "tokens", "new", "CI", "--json", "--home", str(folder / "there"))
        self._environment |= {"JIKKO_TOKEN": json.loads(made.stdout)["token"]}
        self._started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(folder / "there"),), daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE)

    async def _serve(self, home: Path) -> None:
        self._loop = asyncio.get_running_loop()
        async with assemble(Settings(home=home), console=True) as self._assembly:
            application = create_app(self._assembly)
            self._server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical", lifespan="off"))
            serving = asyncio.create_task(self._server.serve())
            await until(lambda: self._server.started)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self._environment |= {"JIKKO_URL": f"http://127.0.0.1:{port}"}
            self._started.set()
            await serving

    def close(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join()

    async def _called(self, trigger: str, body: str) -> str:
        calling = asyncio.run_coroutine_threadsafe(_call(self._assembly, trigger, body), self._loop)
        return await asyncio.wrap_future(calling)

    def _steady(self, text: str) -> str:
        return super()._steady(text.replace(self._environment["JIKKO_URL"], "URL"))


async def _call(assembly: Assembly, trigger: str, body: str) -> str:
    """Call a webhook, and return the answer once the run has ended."""
    webhook = await assembly.triggers.find(trigger)
    transport = httpx.ASGITransport(create_app(assembly))
    async with httpx.AsyncClient(transport=transport, base_url="http://jikko") as client:
        answer = await client.post(f"/triggers/webhook/{webhook.address}", content=body, headers=_HEADERS)
    running = LogQuery(app_id=webhook.app_id, statuses=("running",))
    while True:
        if not (await assembly.runs.records.find(running)).records:
            return f"{answer.status_code}  {answer.text}"
        await asyncio.sleep(0.01)


def transcripts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files, and the blocks of their commands."""
    for name, kind in (("here", Terminal), ("elsewhere", RemoteTerminal)):
        (folder / name).mkdir()
        with closing(kind(folder / name)) as terminal:
            lines = (_FOLDER / f"transcript_{name}_commands.txt").read_text("utf-8").splitlines()
            yield _FOLDER / f"transcript_{name}.txt", "\n".join(map(terminal.type, filter(None, lines)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for path, text in transcripts(Path(name)):
            path.write_text(text, encoding="utf-8")
