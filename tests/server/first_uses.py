"""Single-process server, and the imports in its event loop for each first request. Run by ``test_first_uses``."""

import asyncio
import json
import os
import sys
import threading
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any


class Noting(MetaPathFinder):
    """Import finder that finds nothing, and records imports of the main thread."""

    def __init__(self) -> None:
        self.modules: list[str] = []

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if threading.current_thread() is threading.main_thread():
            self.modules.append(fullname)


async def asked(app: Any, method: str, path: str, key: str, body: bytes) -> int:
    """Return the status of the response to a request."""
    told: list[Any] = []
    received = [{"type": "http.request", "body": body, "more_body": False}]
    kind = b"multipart/form-data; boundary=b" if body.startswith(b"--b") else b"application/json"
    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer " + key.encode()), (b"content-type", kind)]
    scope = {
        **{"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""},
        **{"headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("localhost", 80)},
        "http_version": "1.1",
    }

    async def receive() -> Any:
        return received.pop() if received else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    status: int = told[0]["status"]
    return status


async def main(requests: list[Any]) -> None:
    from jikko.assemble.assembling import assemble
    from jikko.http.app import create_app
    from jikko.settings import Settings

    found = {}
    settings = Settings(home=Path(os.environ["JIKKO_HOME"]), console_token="x" * 40)
    async with assemble(settings, owned=True, console=True) as assembly:
        app = create_app(assembly)
        noting = Noting()
        sys.meta_path.insert(0, noting)
        for name, method, path, key, body in requests:
            noting.modules.clear()
            status = await asked(app, method, path, key, body.encode())
            # Others were only searched for: to locate packages of the fork server.
            found[name] = status, [module for module in noting.modules if module in sys.modules]
            found[f"{name}, in all"] = status, list(sys.modules)
    print(json.dumps(found))


asyncio.run(main(json.loads(sys.argv[1])))
