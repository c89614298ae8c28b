"""The page at ``/docs``: all of the description, with nothing from elsewhere and nothing inline."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from jikko import __version__
from jikko.concurrency import run_in_thread
from jikko.events import Event
from jikko.http import reference
from jikko.http.reference import example_of, reference_operations, reference_page
from jikko.http.reference import openapi as openapi_module
from jikko.http.reference.openapi import OPERATIONS, openapi
from tests.http.scene import RUN, body

pytestmark = pytest.mark.anyio

DESCRIPTION = openapi(__version__)
SCHEMAS = DESCRIPTION["components"]["schemas"]


class Page(HTMLParser):
    """What a page has: tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> set[str]:
        return {found for _, attributes in self.tags for name in names if (found := attributes.get(name))}


PAGE = reference_page(DESCRIPTION)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(PAGE)


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The text of each operation and schema, by its anchor."""
    return {name: Page(part).text for name, part in re.findall(r'<article id="([\w-]+)">(.*?)</article>', PAGE, re.S)}


@pytest.mark.parametrize("address", ["/docs", "/openapi.json"])
async def test_the_first_look_is_made_off_the_loop_which_may_go_on_every_few_operations(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    threads: set[str] = set()
    made = since = most = 0

    def count(describe: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*of: Any) -> Any:
            nonlocal made, since, most
            threads.add(threading.current_thread().name)
            made, since = made + 1, since + 1
            most = max(most, since)
            return describe(*of)

        return counted

    def go_on() -> None:
        nonlocal since
        since = 0

    for module in (openapi_module, reference):
        monkeypatch.setattr(module, "_operation", count(module._operation))
    monkeypatch.setattr(run_in_thread, "release_gil", go_on)
    for cached in (reference_operations._page, reference_operations._description):
        cached.cache_clear()

    first = await client.get(address)
    looks = made
    second = await client.get(address)

    assert threads == {"jikko-records_0"}
    assert looks >= sum(operation.described for operation in OPERATIONS)
    assert most <= 16
    assert (second.content, made) == (first.content, looks)


def test_to_find_the_page_imports_nothing_that_it_describes() -> None:
    code = (
        "import sys\n"
        "from jikko.http.app import Router\n"
        "from jikko.http.served import SERVED\n"
        "known = set(sys.modules)\n"
        "assert Router(SERVED).find('GET', '/docs')[0] is not None\n"
        "print(*sorted(set(sys.modules) - known))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert [name for name in found if name.startswith("jikko") and ".reference" not in name] in (
        [],
        ["jikko.concurrency.run_in_thread"],
    )


async def test_anybody_gets_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs", headers={"Authorization": ""})

    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "text/html; charset=utf-8", PAGE)


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.described],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
def test_every_operation_is_there_with_its_parameters_fields_and_answers(
    sections: dict[str, str], operation: Any
) -> None:
    described = DESCRIPTION["paths"][operation.path][operation.method.lower()]
    text = sections[described["operationId"]]

    assert [part for part in (operation.path, operation.method, operation.summary) if part not in text] == []
    for parameter in described.get("parameters", []):
        assert parameter["name"] in text
        assert parameter.get("description", "") in text
    for content in described.get("requestBody", {}).get("content", {}).values():
        for name in SCHEMAS[content["schema"]["$ref"].rpartition("/")[2]]["properties"]:
            assert name in text
    for status, answer in described["responses"].items():
        assert status in text
        assert answer["description"] in text


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_there_with_its_fields(sections: dict[str, str], name: str) -> None:
    text = sections[f"schema-{name}"]

    assert [field for field in SCHEMAS[name].get("properties", {}) if field not in text] == []


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_of_a_log_is_described_with_all_its_fields(kind: Any) -> None:
    schema = SCHEMAS[f"{kind.__name__}Event"]

    assert schema["properties"].keys() == {"id", "event", *kind.__struct_fields__}
    assert {"id", "event", "at"} <= set(schema["required"])


async def test_the_log_of_a_run_fits_what_is_described(client: httpx.AsyncClient) -> None:
    run = (await client.post(RUN, json=body(q="日本"))).json()["workflow_run_id"]
    log = (await client.get(f"{RUN}/{run}/events")).json()

    schema = {"$ref": "#/components/schemas/EventLog", "components": {"schemas": SCHEMAS}}
    Draft202012Validator(schema).validate(log)
    del log["data"][1]["execution_id"]
    assert list(Draft202012Validator(schema).iter_errors(log))


def test_examples_fit_their_schemas() -> None:
    for operation in OPERATIONS:
        for kind in (operation.body, *operation.answers.values()):
            if kind is None or isinstance(kind, str):
                continue
            schema = {"$ref": f"#/components/schemas/{kind.__name__}", "components": {"schemas": SCHEMAS}}
            Draft202012Validator(schema).validate(example_of({"$ref": schema["$ref"]}, SCHEMAS))


@pytest.mark.slow
def test_the_description_is_valid() -> None:
    validate(json.loads(json.dumps(DESCRIPTION)), cls=OpenAPIV31SpecValidator)


async def test_the_example_of_a_start_starts_a_run(client: httpx.AsyncClient) -> None:
    example = example_of({"$ref": "#/components/schemas/RunRequest"}, SCHEMAS)

    assert (await client.post(RUN, json=example)).json()["data"]["status"] == "succeeded"


def test_links_lead_within_the_page_or_beside_it(page: Page) -> None:
    ids = page.values("id")
    links = page.values("href", "src")

    assert {link for link in links if not link.startswith("#")} == {
        "openapi.json",
        "docs/reference.css",
        "docs/reference.js",
    }
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_nothing_is_inline(page: Page) -> None:
    assert page.values("style") == set()
    assert [name for _, attributes in page.tags for name in attributes if name.startswith("on")] == []
    assert [
        tag for tag, attributes in page.tags if tag == "style" or (tag == "script" and "src" not in attributes)
    ] == []


async def test_the_page_allows_nothing_but_itself(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("name", "kind"), [("reference.css", "text/css"), ("reference.js", "text/javascript")])
async def test_what_it_loads_is_beside_it_and_small(client: httpx.AsyncClient, name: str, kind: str) -> None:
    answer = await client.get(f"/docs/{name}", headers={"Authorization": ""})

    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "://" not in answer.text
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("name", ["x", "page.html", "..%2fapp.py", "__init__.py"])
async def test_nothing_else_is_beside_it(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/docs/{name}")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/v1"])
async def test_the_addresses_that_the_server_prints_lead_on(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"accept": "text/html"})

    assert answer.status_code == 200
    assert "<a href=docs>" in answer.text
    assert (await client.get("/docs")).status_code == 200
