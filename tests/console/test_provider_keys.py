"""Testing the key of a provider from the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.echo import EchoServer
from tests.console.apps import placed
from tests.console.conftest import Site, Visit, site_in
from tests.console.gallery import providers
from tests.http.console.test_apps import ASKS_A_MODEL
from tests.providers.fake_model import Exchange
from tests.providers.model_thread import Model

REVOKED = "This key was revoked."
OF_ANOTHER = "The key of another project has no models here."


class Keys:
    """What a provider says to the key that it is asked with."""

    refused: tuple[int, str] | None = None

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def answer(self, exchange: Exchange) -> None:
        self.seen.append(exchange.headers["authorization"])
        if self.refused is not None:
            status, message = self.refused
            await exchange.json({"error": {"message": message}}, status)
        elif exchange.path.endswith("/models"):
            await exchange.json({"object": "list", "data": [{"id": "gpt-4o", "object": "model"}]})
        else:
            raise ConnectionError(exchange.path)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path, keys: Keys) -> Iterator[Site]:
    """A server whose provider has refused the only request to it."""
    folder = tmp_path_factory.mktemp("keys")
    model = Model(keys.answer)
    (folder / "providers.yml").write_text(providers(model.model.url), encoding="utf-8")
    site = site_in(
        folder, echo, {"judges": placed(ASKS_A_MODEL)}, settings={"JIKKO_PROVIDERS": str(folder / "providers.yml")}
    )
    keys.refused = (401, REVOKED)
    site.run("judges", q="why", until=["failed"])
    yield site
    site.server.close()
    model.close()


def tried(page: Page) -> str:
    """Try the key that is to be mended. Returns what came of it."""
    entry = page.locator(".mend").filter(has_text="requests of the last hour failed")
    entry.get_by_role("button", name="Test langgenius/openai/openai").click()
    # It is away while the provider is asked.
    expect(entry.get_by_role("status")).to_have_count(1)
    return entry.get_by_role("status").inner_text()


def test_a_key_is_tried_until_it_opens_the_provider(asking: Site, visit: Visit, keys: Keys) -> None:
    page = visit("/system", at=asking)
    expect(page.locator(".mend")).to_contain_text("all of 1 requests of the last hour failed")
    expect(page.locator(".mend").get_by_text("Test the key")).to_be_visible()
    asked = len(keys.seen)
    assert REVOKED in tried(page)
    keys.refused = (403, OF_ANOTHER)
    assert OF_ANOTHER in tried(page)
    keys.refused = None
    assert tried(page).startswith("Answers in")
    assert keys.seen[asked:] == ["Bearer key"] * 3
    # So does the button of the list of providers.
    row = page.get_by_role("row").filter(has_text="openai")
    row.get_by_role("button", name="Test langgenius/openai/openai").click()
    expect(row.locator(".st-succeeded")).to_contain_text("Answers in")
    keys.refused = (401, REVOKED)
    row.get_by_role("button", name="Test langgenius/openai/openai").click()
    expect(row.locator(".st-failed")).to_contain_text(REVOKED)


def test_a_viewer_tries_no_key(asking: Site, visit: Visit, keys: Keys) -> None:
    page = visit("/system", at=asking, token=asking.viewer)
    expect(page.locator(".mend")).to_contain_text("all of 1 requests of the last hour failed")
    expect(page.get_by_role("button", name="Test langgenius/openai/openai")).to_have_count(0)
    asked = len(keys.seen)
    status = page.evaluate(
        """path => fetch(path, {method: 'POST', headers: {'X-Jikko-Console': '1'}}).then(answer => answer.status)""",
        f"{asking.url}/api/providers/langgenius~openai~openai/test",
    )
    assert (status, len(keys.seen)) == (403, asked)
