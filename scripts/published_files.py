"""Tries published workflow files that are not part of this repository.

Usage: python -m scripts.published_files FOLDER_OR_FILE… [--home FOLDER] [--plugins FILE] [--tools-answer] [--verbose]

Tries all apps below the folders, each content once. Models are fake, inputs are samples, and an echo server replaces
the hosts of HTTP requests; plugins, datasets and packages are those of the data folder, by default none.
``--tools-answer`` makes all tool and agent nodes return a sample, as if their plugins, keys and hosts were there.
Prints how many files succeed, why `jikko check` predicts failures (most frequent reasons first), and where check and
run differ. Exits with 1 on a false alarm: a run that succeeds although check predicts a failure.
"""

import argparse
import asyncio
import hashlib
import json
import re
import sys
import tempfile
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from jikko.apps.versions import check
from jikko.assemble import Assembly, assemble
from jikko.assemble.installation import installation_of
from jikko.conversations.turns import TurnRequest
from jikko.dsl.start_variables import StartVariable
from jikko.errors import JikkoError
from jikko.events import RunFinished
from jikko.forecast.forecast import Forecast, forecast
from jikko.inputs.given import Upload
from jikko.inputs.local_files import uploaded
from jikko.inputs.samples import samples_of
from jikko.nodes.registry import BY_TYPE
from jikko.ports.stores.messages import Message
from jikko.runs.runs import Started, StartRequest
from jikko.settings import Settings

SECONDS: Final = 60
"""Timeout of a run; one that waits for a person does not end."""
_HOST: Final = re.compile(r"^(\s+url: *['\"]?)https?://[^/'\"\s{}]+", re.MULTILINE)
_DETAIL: Final = re.compile(r"\d{3,}|[0-9a-f]{8,}")
_PNG: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True)
class Tried:
    """Result of one file."""

    path: Path
    foretold: Forecast
    ended: str
    """``succeeded``, ``failed``, ``refused``, …; ``""`` if not run."""
    error: str = ""


def main() -> int:
    """Try the files. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--plugins", type=Path, help="a plugins file")
    parser.add_argument("--tools-answer", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="a line for each file")
    given = parser.parse_args()
    files = list(_apps(given.sources))
    with tempfile.TemporaryDirectory(prefix="published-files-") as folder:
        settings = Settings(
            home=given.home or Path(folder),
            plugins=given.plugins,
            fake_models=True,
            mocks=json.dumps(_answers(files)) if given.tools_answer else "",
            http_allow=("127.0.0.0/8",),
        )
        tried = asyncio.run(_try_all(files, settings, Path(folder)))
    if given.verbose:
        for each in tried:
            print(f"{each.foretold.verdict:20} {each.ended:10} {each.path}: {' '.join(each.error.split())[:300]}")
    return _report(tried)


def _apps(sources: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    seen = set()
    for source in sources:
        for path in sorted(source.rglob("*.y*ml")) if source.is_dir() else [source]:
            data = path.read_bytes()
            digest = hashlib.sha256(data).digest()
            if digest not in seen and re.search(rb"^(app|kind):", data, re.MULTILINE):
                seen.add(digest)
                yield path, data


def _answers(files: list[tuple[Path, bytes]]) -> dict[str, Any]:
    """Return sample outputs of tool and agent nodes by id, for all files."""
    types = dict[str, set[str]]()
    for path, data in files:
        document = check(data, source=path.name, node_classes=BY_TYPE).document
        for node in () if document is None else document.nodes:
            types.setdefault(node.id, set()).add(node.type)
    sample = {"text": "# エコー\n答え", "files": [], "json": [{"data": [{"title": "題", "url": "https://x.test/"}]}]}
    return {id_: sample for id_, found in types.items() if found <= {"tool", "agent"}}


async def _try_all(files: list[tuple[Path, bytes]], settings: Settings, folder: Path) -> list[Tried]:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, "data": {"text": "エコー", "url": "https://x.test/a.png"}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tried = []
    try:
        async with assemble(settings, in_memory=True, environment={}) as assembly:
            for path, data in files:
                text = _HOST.sub(rf"\g<1>{_url(runner)}", data.decode(errors="replace"))
                tried.append(await _try(assembly, settings, path, text.encode(), folder))
                print(".", end="", file=sys.stderr, flush=True)
            await assembly.runs.close(0)
    finally:
        print(file=sys.stderr)
        await runner.cleanup()
    return tried


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def _try(assembly: Assembly, settings: Settings, path: Path, text: bytes, folder: Path) -> Tried:
    foretold = forecast(check(text, source=path.name, node_classes=BY_TYPE), installation_of(settings, {}))
    if foretold.verdict == "cannot_be_imported":
        return Tried(path, foretold, "")
    try:
        # A name for each file: many are called alike, and an app keeps its mode.
        app = (await assembly.apps.publish(text, source=str(path), name=hashlib.sha256(text).hexdigest())).app
        samples = {**samples_of(foretold.inputs)}
        for variable in foretold.inputs:
            if variable.name in samples and variable.type in ("file", "file-list"):
                file = Upload(_sample_file(variable, folder))
                samples[variable.name] = [file] if variable.type == "file-list" else file
        inputs = await uploaded(samples, foretold.inputs, assembly.files, app_id=app.id, user="tester")
        if app.mode == "workflow":
            live: Started = await assembly.runs.start(app, StartRequest(inputs=inputs, user="tester"))
        else:
            begun = await assembly.chat.turns.begin(
                app, TurnRequest(query="お茶とは？", inputs=inputs, user="tester", name_wanted=False)
            )
            if isinstance(begun, Message):
                return Tried(path, foretold, "answered")
            live = begun.run
        async with asyncio.timeout(SECONDS):
            end: Any = await live.ended()
    except JikkoError as error:
        return Tried(path, foretold, "refused", str(error))
    except TimeoutError:
        return Tried(path, foretold, "unended", "it has not ended by itself")
    if not isinstance(end, RunFinished):
        return Tried(path, foretold, "paused")
    return Tried(path, foretold, end.status, end.error or "")


def _sample_file(variable: StartVariable, folder: Path) -> str:
    kinds = variable.allowed_file_types
    ends = [end.lower().lstrip(".") for end in variable.allowed_file_extensions if "custom" in kinds]
    known = {"document": "txt", "image": "png", "audio": "mp3", "video": "mp4"}
    end = next((known[kind] for kind in known if kind in kinds), ends[0] if ends else "mp3")
    path = folder / f"sample.{end}"
    path.write_bytes(_PNG if end == "png" else "名前,値\n茶,1\n".encode())
    return str(path)


def _report(tried: list[Tried]) -> int:
    def alike(text: str) -> str:
        return _DETAIL.sub("…", " ".join(text.split()))[:160]

    good = [each for each in tried if each.ended in ("succeeded", "partial-succeeded", "answered", "paused")]
    print(f"{len(good)} of {len(tried)} run to their end.")
    print("\nWhat check says of files that will fail or cannot be imported:")
    said = Counter(
        text
        for each in tried
        if each.foretold.verdict in ("will_fail", "cannot_be_imported")
        for text in {alike(one.text()) for one in each.foretold.findings if one.severity in ("error", "will_fail")}
    )
    for text, count in said.most_common(40):
        print(f"{count:4} {text}")
    print("\nRuns that fail though check does not say so:")
    missed = [each for each in tried if each not in good and each.foretold.verdict in ("runs", "may_fail")]
    for each in missed:
        print(f"  {each.foretold.verdict} {each.ended} {each.path}: {alike(each.error)}")
    alarms = [each for each in good if each.foretold.verdict in ("will_fail", "cannot_be_imported")]
    print(f"\nFalse alarms: {len(alarms)}")
    for each in alarms:
        print(f"  {each.path}: {each.foretold.findings[0].text()}")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
