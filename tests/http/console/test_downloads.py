"""Files of runs, shown and kept long after the signed addresses of their record are over."""

import uuid

import httpx
import pytest

from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ECHO

pytestmark = pytest.mark.anyio


async def test_a_file_is_shown_and_kept_by_all_who_may_look(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    app = await scene.publish(ECHO)
    sent = {"file": ("画像 \ue000.png", b"\x89PNG\r\n\x1a\nmore", "image/png")}
    file = decoded(await operator.post(f"{API}/apps/{app.id}/files", files=sent), 201)
    scene.clock.now += 86_400
    shown = await viewer.get(f"{API}/files/{file['id']}")
    assert (shown.status_code, shown.content) == (200, b"\x89PNG\r\n\x1a\nmore")
    assert shown.headers["content-type"] == "image/png"
    assert "nosniff" in shown.headers["x-content-type-options"]
    kept = await viewer.get(f"{API}/files/{file['id'].upper()}", params={"as_attachment": "true"})
    assert kept.headers["content-disposition"].startswith("attachment")


async def test_a_page_among_files_is_never_shown_as_one(scene: Scene, operator: httpx.AsyncClient) -> None:
    app = await scene.publish(ECHO)
    for name, kind in (("a.html", "text/html"), ("a.svg", "image/svg+xml")):
        sent = {"file": (name, b"<script>alert(1)</script>", kind)}
        answer = await operator.post(f"{API}/apps/{app.id}/files", files=sent)
        shown = await operator.get(f"{API}/files/{decoded(answer, 201)['id']}")
        alone = "sandbox" in shown.headers.get("content-security-policy", "")
        assert alone or shown.headers.get("content-disposition", "").startswith("attachment"), (name, shown.headers)


async def test_nobody_else_has_it_and_what_is_gone_is_told(scene: Scene, operator: httpx.AsyncClient) -> None:
    app = await scene.publish(ECHO)
    file = decoded(await operator.post(f"{API}/apps/{app.id}/files", files={"file": ("a.txt", b"a")}), 201)
    async with scene.client() as stranger:
        assert (await stranger.get(f"{API}/files/{file['id']}")).status_code == 401
    for gone in (str(uuid.uuid4()), "x", "..%2f..%2fsigning.key"):
        assert (await operator.get(f"{API}/files/{gone}")).status_code == 404
