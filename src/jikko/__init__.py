"""Runtime for workflows written in the Dify DSL, and server of Dify's workflow Service API.

The public names, described in docs/python.md, are imported on first use: ``import jikko`` costs nothing. Type checkers
read them from ``__init__.pyi``.
"""

__version__ = "0.2.0"

_MODULES = {
    "App": "embedded.embedded_app",
    "AsyncClient": "client.async_client",
    "ChatReply": "client.answers",
    "Client": "client.sync_client",
    "Flow": "embedded.flow",
    "FlowRun": "client.answers",
    "JikkoError": "errors",
    "InvalidDocument": "errors",
    "InvalidParam": "errors",
    "RunEvent": "client.answers",
    "RunUnsuccessful": "client.answers",
    "ServiceError": "client.answers",
    "ReplayedResult": "proving.replay_verdict",
    "load": "embedded.flow",
    "replay": "embedded.replaying",
    "replay_async": "embedded.replaying",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"jikko.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return ["__version__", *_MODULES]
