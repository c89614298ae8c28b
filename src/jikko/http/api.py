"""What routes work with."""

from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Scope

from jikko.apps.end_users import EndUsers
from jikko.apps.publishing import Apps
from jikko.apps.versions import Workflows
from jikko.errors import Unauthorized
from jikko.files.mapping import resign
from jikko.files.signing import UrlSigner
from jikko.files.types import FileLimits
from jikko.http.sse import PING_SECONDS
from jikko.inputs.uploads import FileService
from jikko.ports.app_store import App
from jikko.ports.clock import Clock
from jikko.runs.forms import Forms
from jikko.runs.idempotency import IdempotentStarts
from jikko.runs.retry import Retries
from jikko.runs.runs import Runs
from jikko.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The services behind the API, and its limits."""

    apps: Apps
    runs: Runs
    starts: IdempotentStarts
    retries: Retries
    workflows: Workflows
    end_users: EndUsers
    version: str
    max_body: int
    """Bytes of a JSON body."""
    files: FileService
    forms: Forms
    signer: UrlSigner
    file_limits: FileLimits
    public_url: str
    """The server's address as clients know it; empty: taken from each request."""
    now: Clock
    ping_seconds: float = PING_SECONDS

    def fresh(self, value: Json, request: Request) -> Json:
        """The value with urls of files that have not expired."""
        return resign(value, self.signer, base_url_of(self, request))


def base_url_of(api: Api, request: Request) -> str:
    """The address under which a client reached the server, without a slash at its end."""
    if api.public_url:
        return api.public_url.rstrip("/")
    scope = request.scope
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    return _base_url(scope["scheme"], header(request.scope, b"host"), scope["server"], root_path)


@lru_cache(maxsize=64)
def _base_url(scheme: str, host: str | None, server: tuple[str, int | None] | None, root_path: str) -> str:
    # Kept: every start of a run asks for it, nearly always the same clients in the same way.
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": "http", "scheme": scheme, "headers": headers, "server": server, "root_path": root_path}
    return str(Request(scope).base_url).rstrip("/")


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (in lower case), if there is one. Starlette's own way takes longer."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return None


def api_of(request: Request) -> Api:
    """The services of the application that a request came to."""
    api: Api = request.app.state.api
    return api


async def authenticated(request: Request) -> tuple[Api, App]:
    """The app that the request's key opens.

    Raises:
        Unauthorized: There is no key, or it opens no app.
    """
    api = api_of(request)
    scheme, _, key = (header(request.scope, b"authorization") or "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Unauthorized("Authorization header must be provided and start with 'Bearer'")
    return api, await api.apps.authenticate(key)
