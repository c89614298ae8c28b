"""Server with something of everything, and all that it returns over HTTP."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ASKS, ECHO, app, end, node, start, template, with_environment
from tests.effort import PATIENCE, trusted

Json = Any
HARD = "日本語 🌸\ue000\u2028é ‰%_'\"\\ <b> Ω"
"""Text that is hard to transport."""
NOTE = {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "note", "value_type": "string", "value": ""}
_SIGNED = re.compile(r"[?&](timestamp|nonce|sign|expires)=[^&\"]*|http://127\.0\.0\.1:\d+(?=/files/)")
_OF_NOW = frozenset({"used_at", "last_used_at", "callback"})
"""Fields about the request itself, or background work."""
_NOT_ASKED = (
    "/stream",
    "/histogram",
    "/charts",
    "/callbacks",
    "/system",
    "/overview",
    "/session",
    "/openapi.json",
    "/docs",
    "/livez",
    "/readyz",
    "/health",
)


def word(output: str) -> str:
    """Return an app that outputs an environment variable, and a secret that is masked."""
    nodes = [start("q"), template("say", "{{ word }}", word="env.word"), end(**{output: "say.output", "q": "start.q"})]
    text = app("Word", nodes, "start>say>end")
    return with_environment(text, word=("string", "既定"), token=("secret", "sk-0123456789abcdef"))


def chat() -> str:
    """Return a chat app with memory and files."""
    item = {"variable_selector": ["conversation", "note"], "operation": "over-write", "input_type": "variable"}
    keep = node("keep", "assigner", version="2", items=[{**item, "value": ["sys", "query"]}])
    said = "{{#conversation.note#}}|{{#sys.dialogue_count#}}"
    upload = {"enabled": True, "allowed_file_upload_methods": ["local_file"], "number_limits": 3}
    features = {"file_upload": upload, "opening_statement": HARD}
    nodes = [start("topic"), keep, node("reply", "answer", answer=said)]
    edges = "start>keep>reply"
    return app("Chat", nodes, edges, mode="advanced-chat", features=features, conversation_variables=[NOTE])


class Everything:
    """Data of every kind, written to a data folder over the command line and HTTP, and its readings."""

    def __init__(self, command: Command, folder: Path, settings: Mapping[str, str]) -> None:
        """Import apps, create keys and tokens, and fill a dataset: no server is running yet."""
        self.settings = dict(settings)
        self._command, self._folder = command, folder
        self.keys: dict[str, str] = {}
        for name, text in {"word": word("older"), "asks": ASKS, "echo": ECHO, "chat": chat()}.items():
            self.imported(name, text)
        self.imported("word", word("newer"))
        self.ran("apps", "env", "Word", f"word={HARD}", "token=sk-ひみつ-0123456789")
        (folder / "own.key").write_text("app-0123456789abcdefghijABCD\n")
        self.ran("apps", "keys", "Echo", "--add", folder / "own.key")
        self.keys["own"] = "app-0123456789abcdefghijABCD"
        self.token = self.ran("console", "tokens", "new", "鍵 🗝")["token"]
        (folder / "docs").mkdir()
        (folder / "docs" / "梟 🦉.txt").write_text(f"梟は夜に鳴く。\n\nOwls hunt at night.\n\n{HARD}", encoding="utf-8")
        self.ran("knowledge", "add", "動物", folder / "docs", "--technique", "economy")
        self.dataset_key = self.ran("knowledge", "keys", "create")["api_key"]

    def imported(self, name: str, text: str) -> None:
        file = self._folder / f"{name}.yml"
        file.write_text(text, encoding="utf-8")
        self.keys[name] = self.ran("apps", "import", file).get("api_key") or self.keys[name]

    def ran(self, *arguments: str | Path) -> dict[str, Any]:
        """Return the first line of a command's output as JSON."""
        outcome = self._command(*arguments, "--json", **self.settings)
        assert outcome.code == 0, outcome
        return outcome.lines[0] if outcome.lines else {}

    @contextmanager
    def client(self, server: Server, name: str) -> Iterator[Client]:
        client = Client(server.url, self.keys[name])
        try:
            yield client
        finally:
            client.close()

    def fill(self, server: Server) -> None:
        """Create runs of all kinds, a conversation with all its data, files and annotations."""
        with self.client(server, "word") as client:
            client.run(q=HARD)
            client.run(q="")
        with self.client(server, "echo") as client:
            for text in (HARD, "x" * 200_000, "a\x00b"):
                client.run(q=text)
            self.idempotent(client)
        with self.client(server, "asks") as client:
            self.paused = client.run("async", q=HARD)["workflow_run_id"]
            until(lambda: client.detail(self.paused)["status"] == "paused")
        with self.client(server, "chat") as client:
            self._talk(client)

    def idempotent(self, client: Client) -> tuple[str, str]:
        """Start a run with an idempotency key. Returns its id, and whether it existed, as reported by the server."""
        headers = {"Idempotency-Key": "鍵-🗝".encode().hex()}
        answer = client.request("POST", "/v1/workflows/run", json=client.body("async", {"q": HARD}), headers=headers)
        return answer.json()["workflow_run_id"], answer.headers.get("idempotency-replayed", "")

    def ask(self, client: Client, query: str, **more: Json) -> Json:
        """Ask a question in the existing conversation."""
        body = {"query": query, "inputs": {"topic": HARD}, "user": client.user, **more}
        answer = client.request("POST", "/v1/chat-messages", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _talk(self, client: Client) -> None:
        file = {"file": ("請求書 🧾.txt", f"content {HARD}".encode(), "text/plain")}
        uploaded = client.request("POST", "/v1/files/upload", files=file, data={"user": client.user}).json()
        self.file, self.link = uploaded["id"], "/files/" + str(uploaded["source_url"]).partition("/files/")[2]
        given = [{"type": "document", "transfer_method": "local_file", "upload_file_id": self.file}]
        first = self.ask(client, HARD, files=given)
        self.conversation = first["conversation_id"]
        second = self.ask(client, "and then?", conversation_id=self.conversation)
        rating = {"rating": "like", "content": HARD, "user": client.user}
        path = f"/v1/messages/{second['message_id']}/feedbacks"
        assert client.request("POST", path, json=rating).status_code == 200
        annotation = {"question": f"When? {HARD}", "answer": HARD}
        assert client.request("POST", "/v1/apps/annotations", json=annotation).status_code == 201
        name = {"name": f"Name {HARD}", "user": client.user}
        path = f"/v1/conversations/{self.conversation}/name"
        assert client.request("POST", path, json=name).status_code == 200

    def seen(self, server: Server) -> dict[str, Json]:
        """Return the responses of every read operation of API and console."""
        found: dict[str, Json] = {}
        for name, key in {**self.keys, "dataset": self.dataset_key}.items():
            walk = _Walk(server.url, {"Authorization": f"Bearer {key}"}, found, name)
            walk.over("/openapi.json", _of_datasets if name == "dataset" else _of_apps)
        console = {"Authorization": f"Bearer {self.token}"}
        _Walk(server.url, console, found, "console").over("/api/openapi.json", lambda path: True)
        query = {"query": "Owls night"}
        asking = {"Authorization": f"Bearer {self.dataset_key}"}
        with httpx.Client(base_url=server.url, headers=asking, verify=trusted(), timeout=PATIENCE) as client:
            dataset = client.get("/v1/datasets", params={"keyword": "動物"}).json()["data"][0]
            hits = client.post(f"/v1/datasets/{dataset['id']}/retrieve", json=query)
            found["retrieved"] = (hits.status_code, told(hits.json()))
            content = client.get(self.link)
            found["file"] = (content.status_code, content.content.decode())
        return found


class _Walk:
    """Crawler of all readable addresses, with the ids of earlier responses."""

    def __init__(self, url: str, headers: dict[str, str], found: dict[str, Json], name: str) -> None:
        self._url, self._headers, self._found, self._name = url, headers, found, name

    def over(self, description: str, wanted: Callable[[str], bool]) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, verify=trusted(), timeout=PATIENCE) as client:
            paths = client.get(description).json()["paths"]
            asked = [path for path, each in paths.items() if "get" in each and wanted(path) and _is_asked(path)]
            known: dict[str, list[str]] = {"user": ["someone"], "model_type": ["llm"], "position": ["0"]}
            for path in sorted(asked, key=lambda path: (path.count("{"), path)):
                for filled in _filled(path, known):
                    query = {
                        "user": "someone",
                        "from": "1",
                        "conversation_id": (known.get("conversation_id") or [""])[0],
                    }
                    answer = client.get(filled, params=query)
                    is_json = answer.headers.get("content-type", "").startswith("application/json")
                    body = answer.json() if is_json else answer.text
                    self._found[f"{self._name} {filled}"] = (answer.status_code, told(body))
                    if is_json:
                        _note_ids(path, body, known)


def _of_datasets(path: str) -> bool:
    return path.startswith("/v1/datasets")


def _of_apps(path: str) -> bool:
    return not _of_datasets(path)


def _is_asked(path: str) -> bool:
    return (
        not path.endswith(_NOT_ASKED)
        and path not in ("/", "/v1/", "/v1/workflow/{workflow_run_id}/events")
        and "/file-preview" not in path
    )


def _filled(path: str, known: Mapping[str, list[str]]) -> Iterator[str]:
    names = re.findall(r"\{(\w+)\}", path)
    if not names:
        yield path
        return
    lists = [known.get(name) or ["0199a1b2-0000-7000-8000-000000000000"] for name in names]
    # Only the last id of an address takes all its values; earlier ones take their first.
    for value in lists[-1]:
        filled = path
        for name, choices in zip(names, lists, strict=True):
            filled = filled.replace(f"{{{name}}}", quote(value if name == names[-1] else choices[0], safe=""))
        yield filled


_KINDS = {
    "apps": "app_id",
    "runs": "run_id",
    "logs": "workflow_run_id",
    "datasets": "dataset_id",
    "documents": "document_id",
    "segments": "segment_id",
    "conversations": "conversation_id",
    "messages": "message_id",
    "versions": "workflow_id",
    "node-executions": "node_execution_id",
}


def _note_ids(path: str, body: Json, known: dict[str, list[str]]) -> None:
    """Collect the ids of a list."""
    entries = body.get("data") if isinstance(body, dict) else None
    name = _KINDS.get(path.rpartition("/")[2])
    if name is None or not isinstance(entries, list):
        return
    ids = [(entry.get("workflow_run") or entry)["id"] for entry in entries if "id" in entry or "workflow_run" in entry]
    known.setdefault(name, []).extend(each for each in ids if each not in known.get(name, []))


def told(value: Json) -> Json:
    """Return a response without parts that differ per request: signatures, and times of use."""
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items() if key not in _OF_NOW}
    if isinstance(value, list):
        return [told(each) for each in value]
    return _SIGNED.sub("", value) if isinstance(value, str) else value


def until(is_so: Callable[[], bool]) -> None:
    end_at = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end_at, "it did not come"
        time.sleep(0.05)


def require_same(one: Mapping[str, Json], other: Mapping[str, Json]) -> None:
    """Check that two servers return the same."""
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    assert not keys, "\n".join(f"{key}: {_short(one.get(key))}\n  but {_short(other.get(key))}" for key in keys)


def _short(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)[:2_000]
