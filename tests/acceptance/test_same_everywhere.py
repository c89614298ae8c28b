"""Identical responses whether the record is in a file of the data folder, in PostgreSQL, or shared with other
servers."""

import json
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.everything import Everything, require_same, told, until
from tests.acceptance.hard_requests import hard_requests
from tests.acceptance.processes import Command, Server
from tests.acceptance.several_servers import NOBODY_GOES
from tests.effort import PATIENCE, trusted

pytestmark = [pytest.mark.services, pytest.mark.slow]

_ID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_MADE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?|(app|dataset|jko|whsec)[-_…][\w+/=-]{4,}"
    r"|\b1[789]\d{8}\b|http://127\.0\.0\.1:\d+|\bv?\d+\.\d+ s\b"
)
_MASKED = re.compile(r"^next$|token|hint|key|elapsed|latency|took|batch|score|reason|^sum$|_ms$|seconds")
_DAYS = 2 * 86_400


def test_several_servers_say_what_a_data_folder_says(tmp_path: Path, several_settings: dict[str, str]) -> None:
    here = answers(tmp_path / "file", {})
    there = answers(tmp_path / "several", several_settings | NOBODY_GOES)

    assert {status for status, _ in here.values()} == {200, 201, 400, 401, 404, 409}
    require_same(here, there)


def answers(folder: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    folder.mkdir()
    made = Everything(Command(folder / "home"), folder, settings)
    with ExitStack() as stack:
        servers = [stack.enter_context(closing(Server(folder / "home", settings=made.settings)))]
        if "JIKKO_NATS_URL" in settings:
            servers.append(stack.enter_context(closing(Server(folder / "other", settings=made.settings))))
        made.fill(servers[0])
        said = Asking(made, servers).all()
        seen = {f"{number}. {key}": value for number, (key, value) in enumerate(made.seen(servers[-1]).items())}
    # The audit has the arguments of commands, among them folders of this test.
    return Plain().mapping(json.loads(json.dumps({**said, **seen}).replace(str(folder), "folder")))


class Asking:
    """Asks the hard requests, each of another server than the one before."""

    def __init__(self, made: Everything, servers: list[Server]) -> None:
        self._made, self._servers = made, servers
        self._headers = {
            **{name: {"Authorization": f"Bearer {key}"} for name, key in made.keys.items()},
            "dataset": {"Authorization": f"Bearer {made.dataset_key}"},
            "console": {"Authorization": f"Bearer {made.token}", "X-Jikko-Console": "1"},
        }
        self._ids: dict[str, str] = {"conversation": made.conversation}

    def all(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with ExitStack() as stack:
            clients = [
                stack.enter_context(httpx.Client(base_url=server.url, verify=trusted(), timeout=PATIENCE))
                for server in self._servers
            ]
            self._learn(clients[0])
            for number, (who, method, path, given) in enumerate(hard_requests()):
                asked = filled(given, self._ids)
                headers = {**self._headers[who], **asked.pop("headers", {})}
                if "json" in asked:
                    # As escapes, which halves of characters can only be.
                    asked["content"] = json.dumps(asked.pop("json")).encode()
                    headers["Content-Type"] = "application/json"
                client = clients[number % len(clients)]
                with client.stream(method, filled(path, self._ids), headers=headers, **encodable(asked)) as answer:
                    if path.endswith("/stream") and answer.status_code == 200:
                        # It has no end.
                        body: Any = next(line for line in answer.iter_lines() if line.startswith("data: "))
                    else:
                        answer.read()
                        is_json = answer.headers.get("content-type", "").startswith("application/json")
                        body = told(answer.json()) if is_json and answer.content else answer.text
                if (
                    path.endswith(("/histogram", "/charts"))
                    and answer.status_code == 200
                    and "by" not in given["params"]
                ):
                    body = sorted(answer.json())  # it goes up to now
                if path.endswith("/create-by-text") and answer.status_code == 200:
                    self._wait_for(client, answer.json()["batch"])
                found[f"{number}: {who} {method} {path} {str(given)[:300]!a}"] = (answer.status_code, body)
        return found

    def _wait_for(self, client: httpx.Client, batch: str) -> None:
        """Until a document can be searched."""
        path = f"/v1/datasets/{self._ids['dataset']}/documents/{batch}/indexing-status"
        headers = self._headers["dataset"]
        until(lambda: client.get(path, headers=headers).json()["data"][0]["indexing_status"] in ("completed", "error"))

    def _learn(self, client: httpx.Client) -> None:
        def get(who: str, path: str, **query: str) -> Any:
            answer = client.get(path, headers=self._headers[who], params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        mine = {"user": "someone", "conversation_id": self._made.conversation}
        self._ids["message"] = get("chat", "/v1/messages", **mine)["data"][0]["id"]
        variables = get("chat", f"/v1/conversations/{self._made.conversation}/variables", user="someone")
        self._ids["variable"] = variables["data"][0]["id"]
        self._ids["dataset"] = get("dataset", "/v1/datasets")["data"][0]["id"]
        self._ids["document"] = get("dataset", f"/v1/datasets/{self._ids['dataset']}/documents")["data"][0]["id"]
        apps = get("console", "/console/api/apps")["data"]
        self._ids["app"] = next(each["id"] for each in apps if each["name"] == "Word")


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if isinstance(value, str) and len(value) < 1_000:
        for name, id_ in ids.items():
            value = value.replace(f"{{{name}}}", id_)
    return value


def encodable(value: Any) -> Any:
    """What ``httpx`` can send: addresses and forms have no halves of characters."""
    if isinstance(value, dict):
        return {key: encodable(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(encodable(each) for each in value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


class Plain:
    """Answers without what each server makes anew: ids become numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def mapping(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {str(self.value(key)): self.value(value) for key, value in found.items()}

    def value(self, value: Any, key: str = "") -> Any:
        match value:
            case dict():
                return {self.value(name): self.value(each, str(name)) for name, each in value.items()}
            case list() | tuple():
                return [self.value(each, key) for each in value]
            case bool() | None:
                return value
            case _ if _MASKED.search(key):
                return "…"
            case str() if key == "name":
                # The name of a conversation is cut a moment after it was made.
                return self.value(value[:20])
            case str():
                # What a text of PostgreSQL has no room for.
                return _MADE.sub("…", _ID.sub(self._number, value)).replace("\x00", "\ufffd")
            case float():
                return "…"
            case int() if abs(value - time.time()) < _DAYS or abs(value - time.time() * 1000) < _DAYS * 1000:
                return "…"
        return value

    def _number(self, match: re.Match[str]) -> str:
        return self._ids.setdefault(match[0].lower(), f"id {len(self._ids)}")
