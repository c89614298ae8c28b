"""The knowledge that cases of a suite share: external knowledge APIs and datasets, made before its apps are imported.

``knowledge.json`` beside ``cases/``:

    {"external_apis": {NAME: {"endpoint": URL, "api_key": KEY}},
     "datasets": {NAME: {"create": BODY, "update": BODY, "metadata": [BODY],
                         "documents": [{"body": BODY, "metadata": {}, "status": ACTION}]}}}

Bodies are those of the Dify API: ``POST`` and ``PATCH /v1/datasets``, ``…/metadata``, ``…/document/create-by-text``.
In them ``${ECHO_URL}`` stands for the echo server and ``${external:NAME}`` for the id of an external knowledge API.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.effort import trusted

from . import jsontext

JsonObject = dict[str, Any]

INDEX_TIMEOUT = 60.0
INDEX_INTERVAL = 0.02


@dataclass(frozen=True)
class Knowledge:
    """References of cases and DSL files: a key of the knowledge API, and ids by name."""

    api_key: str
    datasets: dict[str, str] = field(default_factory=dict)
    external_apis: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """Return values for the cases' requests."""
        return {
            "key:knowledge": self.api_key,
            **{f"dataset:{n}": i for n, i in self.datasets.items()},
            **{f"dataset_tool:{n}": _tool(i) for n, i in self.datasets.items()},
            **{f"external:{n}": i for n, i in self.external_apis.items()},
        }

    @property
    def symbols(self) -> dict[str, str]:
        """Return ids known before a case runs, by symbol."""
        tools = {name: _tool(own) for name, own in self.datasets.items()}
        return {
            f"«{kind}:{n}»": i
            for kind, ids in (("dataset", self.datasets), ("external", self.external_apis), ("tool", tools))
            for n, i in ids.items()
        }

    def localised(self, dsl: str) -> str:
        """Return a DSL with the ids of datasets filled in."""
        for name, identity in self.datasets.items():
            dsl = dsl.replace(f"${{DATASET:{name}}}", identity)
        return dsl


def wanted(root: Path) -> JsonObject | None:
    """Return a suite's description of its knowledge, if any."""
    file = root / "knowledge.json"
    return jsontext.load(file) if file.exists() else None


def fill(document: JsonObject, base_url: str, api_key: str, external_apis: dict[str, str], echo_url: str) -> Knowledge:
    """Create all datasets over the API, one document after the other. Returns their ids."""
    made = Knowledge(api_key, {}, external_apis)
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=60.0, trust_env=False, verify=trusted()) as client:
        for name, recipe in document["datasets"].items():
            recipe = _resolved(recipe, {**made.variables, "ECHO_URL": echo_url})
            try:
                made.datasets[name] = _dataset(client, recipe)
            except (httpx.HTTPError, KeyError, TimeoutError) as problem:  # its cases will fail
                print(f"no dataset {name}: {problem!r}")
    return made


def _dataset(client: httpx.Client, recipe: JsonObject) -> str:
    """Create a dataset with its metadata fields and documents."""
    identity = str(_call(client, "POST", "/v1/datasets", recipe["create"])["id"])
    path = f"/v1/datasets/{identity}"
    if changes := recipe.get("update"):
        _call(client, "PATCH", path, changes)
    fields = {f["name"]: _call(client, "POST", f"{path}/metadata", f)["id"] for f in recipe.get("metadata", [])}
    for document in recipe.get("documents", []):
        answer = _call(client, "POST", f"{path}/document/create-by-text", document["body"])
        _await(client, f"{path}/documents/{answer['batch']}/indexing-status")
        own = answer["document"]["id"]
        if values := document.get("metadata"):
            listed = [{"id": fields[n], "name": n, "value": v} for n, v in values.items()]
            _call(
                client,
                "POST",
                f"{path}/documents/metadata",
                {"operation_data": [{"document_id": own, "metadata_list": listed}]},
            )
        if action := document.get("status"):
            _call(client, "PATCH", f"{path}/documents/status/{action}", {"document_ids": [own]})
    return identity


def _await(client: httpx.Client, path: str) -> None:
    """Wait until all documents of a batch are indexed or have failed."""
    deadline = time.monotonic() + INDEX_TIMEOUT
    while time.monotonic() < deadline:
        rows = client.get(path).raise_for_status().json()["data"]
        if all(r["indexing_status"] in ("completed", "error") for r in rows):
            return
        time.sleep(INDEX_INTERVAL)
    raise TimeoutError(f"{path}: not indexed within {INDEX_TIMEOUT:.0f} s")


def _call(client: httpx.Client, method: str, path: str, body: JsonObject) -> JsonObject:
    """Send a request, and return its JSON answer."""
    response = client.request(method, path, json=body)
    if response.is_error:
        raise httpx.HTTPError(f"{method} {path}: {response.status_code} {response.text[:200]}")
    return dict(response.json()) if response.content else {}


def _resolved(value: Any, known: dict[str, str]) -> Any:
    """Return a recipe with its ``${…}`` filled in."""
    if isinstance(value, dict):
        return {k: _resolved(v, known) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, known) for v in value]
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace(f"${{{name}}}", text)
    return value


def _tool(dataset_id: str) -> str:
    """Return the name by which agents call a dataset."""
    return f"dataset_{dataset_id.replace('-', '_')}"
