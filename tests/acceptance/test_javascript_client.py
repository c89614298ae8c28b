"""JavaScript client in clients/js: its types, its own tests against a server, and its package."""

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from scripts.build_console import install, sources
from scripts.client_types import TYPES, client_types

from tests.acceptance.conftest import Scene
from tests.acceptance.test_clients import Node, key_of, succeed
from tests.console.conftest import ROOT
from tests.effort import PATIENCE, trusted

pytestmark = [pytest.mark.slow, pytest.mark.services]

APPS = ("work", "asks", "file", "chat")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with what it is built with."""
    folder = tmp_path_factory.mktemp("javascript") / "client"
    ignored = shutil.ignore_patterns("node_modules", "dist", "build")
    shutil.copytree(ROOT / "clients" / "js", folder, ignore=ignored)
    run_npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    run_npm(folder, "run", "build")
    return folder


def run_npm(folder: Path, *words: str, **more: str) -> str:
    node = Node()
    return succeed([*node.npm, *words], f"npm {words[0]}", folder=folder, **more)


def test_the_types_of_the_client_are_those_that_the_server_describes(scene: Scene) -> None:
    if not (sources() / "node_modules" / "openapi-typescript").is_dir():
        install()
    described = (
        httpx.get(f"{scene.server.url}/openapi.json", verify=trusted(), timeout=PATIENCE).raise_for_status().json()
    )

    assert client_types(described) == TYPES.read_text(encoding="utf-8"), (
        "python -m scripts.client_types brings them up to date"
    )


def test_the_client_passes_its_own_tests_against_a_server(package: Path, scene: Scene) -> None:
    task = {"url": scene.server.url, "keys": {name: key_of(scene.client(name)) for name in APPS}}

    run_npm(package, "run", "lint")
    told = run_npm(package, "test", JIKKO_SCENE=json.dumps(task))

    assert "# fail 0" in told or "ℹ fail 0" in told
    assert "skipped 0" in told


def test_what_is_packed_does_what_the_pages_say_and_needs_no_other_package(
    package: Path, scene: Scene, tmp_path: Path
) -> None:
    [packed] = json.loads(run_npm(package, "pack", "--json", "--ignore-scripts", "--pack-destination", str(tmp_path)))
    names = {each["path"] for each in packed["files"]}
    assert {"README.md", "package.json", "dist/index.js", "dist/index.d.ts"} <= names
    assert [name for name in names if name.startswith(("src/", "test/", "build/"))] == []
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run_npm(tmp_path, "install", "--no-audit", "--no-fund", f"./{packed['filename']}")
    assert [path.name for path in (tmp_path / "node_modules").iterdir() if path.name[0] != "."] == ["jikko-client"]
    [first] = programs(ROOT / "clients" / "js" / "README.md")
    written = [first, *programs(ROOT / "docs" / "javascript.md")]
    for number, text in enumerate(written):
        at = text.replace("http://localhost:8000", scene.server.url).replace("app-…", key_of(scene.client("work")))
        (tmp_path / f"program{number}.ts").write_text(at, encoding="utf-8")
    options = {"strict": True, "target": "ES2022", "module": "NodeNext", "skipLibCheck": True, "types": []}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["program*.ts"]}))

    node = Node().node
    succeed([*node, package / "node_modules" / "typescript" / "bin" / "tsc"], "tsc", folder=tmp_path)
    told = succeed([*node, tmp_path / "program0.js"], "the program of the page", folder=tmp_path)

    assert len(written) == 5
    assert told.splitlines()[-2:] == ["end-loud succeeded", "日本! is loud"]


def programs(page: Path) -> list[str]:
    return re.findall(r"^```ts\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
