"""docs/python.md and docs/openai.md: each program runs as it stands there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Command, Server, environment
from tests.page_blocks import ROOT, Block, blocks

BLOCKS = [*blocks("docs/python.md", "python"), *blocks("docs/openai.md", "python")]
MOUNTED = """
import asyncio
from jikko import AsyncClient


async def ask():
    started = application.router.lifespan_context(application) if hasattr(application, "router") else flows
    async with started, AsyncClient(app=application) as client:
        print(await client.request("GET", "/flows/health"))
        if "/triage" in str(getattr(application, "openapi", dict)()):
            for _ in range(2):
                print(await client.request("GET", "/triage?message=down!"))


asyncio.run(ask())
"""
"""Asks the application of a program that makes one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files that the page names, and a server with the apps."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "flows").mkdir()
    for file in (ROOT / "examples").glob("*.yml"):
        (folder / "flows" / file.name).write_bytes(file.read_bytes())
    (folder / "note.txt").write_text("note")
    (folder / "mysite").mkdir()
    (folder / "mysite" / "settings.py").write_text(
        "SECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.settings'\nurlpatterns = []\n"
    )
    command = Command(folder / "home")
    flows = [folder / "flows" / name for name in ("support-triage.yml", "shopping-list.yml")]
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in command.json("apps", "import", *flows)}
    kept = Command(folder / "support-data")("run", flows[0], "-i", "message=down!", "-i", "plan=pro", "--keep")
    assert kept.code == 0, kept.err
    server = Server(command.home)
    (folder / "names").write_text(f"{server.url}\n{keys['support-triage']}\n{keys['shopping-list']}")
    yield folder
    server.close()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}, line {block.line}")
def test_a_program_that_is_shown_runs(block: Block, folder: Path, tmp_path: Path) -> None:
    url, key, chat_key = (folder / "names").read_text().splitlines()
    key = chat_key if block.page == "docs/openai.md" else key
    text = block.text + (MOUNTED if "application" in block.text else "")
    text = text.replace("http://localhost:8000", url).replace("app-chat-…", chat_key).replace("app-…", key)
    variables = {**environment(tmp_path / "home"), "PYTHONWARNINGS": "error"}

    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_application_that_is_shown_makes_one_key_for_all_its_requests(folder: Path, tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if "FastAPI(" in block.text]
    home = tmp_path / "flows-data"
    program = block.text.replace("flows-data", str(home)) + MOUNTED

    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert len(Command(home).json("apps", "keys", "Support triage")) == 1
