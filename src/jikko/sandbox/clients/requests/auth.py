"""Ways to prove who asks."""

from typing import Any

from jikko.sandbox.clients.shared.hops import basic


class AuthBase:
    """Something that is called with a request and changes it."""

    def __call__(self, request: Any) -> Any:
        raise NotImplementedError("Auth hooks must be callable.")


class HTTPBasicAuth(AuthBase):
    """User and password."""

    def __init__(self, username: Any, password: Any) -> None:
        self.username = username
        self.password = password

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = basic(self.username, self.password)
        return request


class HTTPProxyAuth(HTTPBasicAuth):
    """User and password for a proxy."""

    def __call__(self, request: Any) -> Any:
        request.headers["Proxy-Authorization"] = basic(self.username, self.password)
        return request
