"""Authenticated webhook calls: deduplication, and records."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.assemble.assembling import assemble
from jikko.assemble.assembly import Assembly
from jikko.http.app import create_app
from jikko.settings import Settings
from jikko.triggers.receiving import foresee
from jikko.triggers.verification import signed_headers
from tests.acceptance.workflows import app, end, node

pytestmark = pytest.mark.anyio

FLOW = app("受信", [node("hook", "trigger-webhook", method="post"), end(out="hook.x")], "hook>end")
TEMPLATE = '{header: X-Sign, signed: "{timestamp}.{body}", timestamp_header: X-Time}'


class Sender:
    """A sender of a webhook with its secret."""

    def __init__(self, api: Assembly, client: httpx.AsyncClient, address: str, now: list[float]) -> None:
        self.api, self._client, self.address, self.now = api, client, address, now

    async def call(self, body: dict[str, Any] | None = None, query: str = "") -> httpx.Response:
        """Call it, signed now."""
        content = json.dumps(body or {}).encode()
        url = f"/triggers/webhook/{self.address}?{query}"
        return await self._client.post(url, content=content, headers=await self._signed(content))

    async def foreseen(self, body: dict[str, Any]) -> str:
        """What is said to become of a call."""
        content, webhook = json.dumps(body).encode(), await self.api.webhooks.at(self.address)
        headers = {name.lower(): value for name, value in (await self._signed(content)).items()}
        clock = self.api.clock
        return (await foresee(self.api.webhooks, webhook, headers, "", content, clock)).verdict

    async def states(self) -> list[tuple[str, str]]:
        """Verdict and reason of the deliveries, newest first."""
        found = await self.api.deliveries.listed(await self.api.triggers.all())
        return [(view.delivery.verdict, view.delivery.reason) for view in found]

    async def _signed(self, content: bytes) -> dict[str, str]:
        webhook = await self.api.webhooks.at(self.address)
        how = self.api.webhooks.verification(webhook.trigger, webhook.app.name)
        assert how is not None
        made = signed_headers(how, content, call_id="call 1", now=self.now[0])
        return {"Content-Type": "application/json", **made}


@asynccontextmanager
async def sending(folder: Path, options: str) -> AsyncIterator[Sender]:
    """A sender of a webhook that has options."""
    rules, now = folder / "triggers.yml", [1_800_000_000.0]
    rules.write_text(f"triggers: {{受信/hook: {{secret: neu, {options}}}}}", "utf-8")
    async with assemble(Settings(home=folder, triggers=rules), in_memory=True, clock=lambda: now[0]) as api:
        await api.apps.publish(FLOW.encode(), source="受信")
        [trigger] = await api.triggers.all()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(api)), base_url="http://jikko") as client:
            yield Sender(api, client, trigger.address, now)


@pytest.mark.parametrize("verify", ["slack", "stripe", TEMPLATE], ids=["slack", "stripe", "a template"])
async def test_a_call_that_is_signed_anew_is_known_again_by_its_body_if_the_operator_says_so(
    tmp_path: Path, verify: str
) -> None:
    async with sending(tmp_path, f"verify: {verify}, once: body") as sender:
        first = await sender.call({"注文": "🧾"})
        sender.now[0] += 60
        foreseen = [await sender.foreseen({"注文": "🧾"}), await sender.foreseen({"注文": "別"})]
        again = await sender.call({"注文": "🧾"})

        assert (first.status_code, again.status_code, again.headers.get("Idempotency-Replayed")) == (200, 200, "true")
        assert foreseen == ["duplicate", "accepted"]
        assert [verdict for verdict, _ in await sender.states()] == ["duplicate", "accepted"]


async def test_a_field_without_a_name_is_no_id_of_a_sender_that_has_none_in_its_body(tmp_path: Path) -> None:
    async with sending(tmp_path, "verify: bearer") as sender:
        await sender.call({"": "同じ", "n": 1})
        foreseen = await sender.foreseen({"": "同じ", "n": 2})
        await sender.call({"": "同じ", "n": 2})

        assert foreseen == "accepted"
        assert [verdict for verdict, _ in await sender.states()] == ["accepted", "accepted"]


@pytest.mark.parametrize("verify", ["meta", "github"])
async def test_a_call_of_too_many_parameters_is_refused_as_any_other_that_does_not_fit(
    tmp_path: Path, verify: str
) -> None:
    async with sending(tmp_path, f"verify: {verify}") as sender:
        answer = await sender.call(query="&".join(f"k{n}=1" for n in range(1_001)))

        assert (answer.status_code, answer.json()) == (
            400,
            {"error": "Bad Request", "message": "More than 1000 parameters"},
        )
        assert await sender.states() == [("refused", "More than 1000 parameters")]
