"""Plugin packages made by tests."""

import base64
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PYTHON = "{}.{}".format(*sys.version_info)
"""That of Jikko: another one is looked for first, by a shell script where pyenv put it."""
STAND_IN = Path(__file__).with_name("stand_in.py")
TOOLS = (
    "echo", "parameters", "context", "fail", "never", "wait", "exit", "many", "blob", "ask", "ask_many", "environment",
    "messages", "run",
)  # fmt: skip
PERMISSIONS = {"tool": {"enabled": True}, "model": {"enabled": True, "llm": True}, "storage": {"enabled": True}}


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "type": "plugin",
        "author": "tester",
        "name": "stand_in",
        "version": "0.0.1",
        "label": {"en_US": "Stand-in", "ja_JP": "代役"},
        "resource": {"memory": 1, "permission": PERMISSIONS},
        "plugins": {"tools": ["provider/stand_in.yaml"], "agent_strategies": ["provider/agent.yaml"]},
        "meta": {"version": "0.0.1", "runner": {"language": "python", "version": PYTHON, "entrypoint": "main"}},
        **changes,
    }


def tool(name: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "identity": {"name": name, "label": {"en_US": name}},
        "description": {"human": {"en_US": name}, "llm": f"Does {name}."},
        "parameters": list(parameters),
    }


def parameter(name: str, type_: str = "string", form: str = "llm", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "form": form, "label": {"en_US": name}, **fields}


ECHO = tool(
    "echo",
    parameter("words", required=True, llm_description="What to say."),
    parameter("times", "number", "form", default=1),
    parameter("mood", "select", options=[{"value": "calm"}, {"value": "loud"}]),
)


def files(*, credentials: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, bytes]:
    """Return the files of the stand-in's package."""
    provider = {
        "identity": {"name": "stand_in", "label": {"en_US": "Stand-in"}},
        "credentials_for_provider": dict(credentials or {}),
        "tools": [f"tools/{name}.yaml" for name in TOOLS],
    }
    strategies = {
        "identity": {"name": "agent", "label": {"en_US": "Agent"}},
        "strategies": ["strategies/ask.yaml", "strategies/each.yaml"],
    }
    each = {
        "identity": {"name": "each", "label": {"en_US": "Each"}},
        "description": {"en_US": "Asks one after the other."},
        "parameters": [parameter("model", "model-selector", required=True), parameter("asked", "any")],
    }
    strategy = {
        "identity": {"name": "ask", "label": {"en_US": "Ask"}},
        "description": {"en_US": "Asks once."},
        "features": ["history-messages"],
        "parameters": [
            parameter("model", "model-selector", required=True),
            parameter("tools", "array[tools]"),
            parameter("type"),
            parameter("request", "any"),
        ],
    }
    made: dict[str, Any] = {
        "manifest.yaml": manifest(**changes),
        "provider/stand_in.yaml": provider,
        "provider/agent.yaml": strategies,
        "strategies/ask.yaml": strategy,
        "strategies/each.yaml": each,
        **{f"tools/{name}.yaml": ECHO if name == "echo" else tool(name) for name in TOOLS},
    }
    written = {
        name: yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode() for name, value in made.items()
    }
    return {**written, "main.py": STAND_IN.read_bytes(), "requirements.txt": b"# nothing\n"}


def model_files(name: str = "models") -> dict[str, bytes]:
    """Return the files of a package of the stand-in with models."""
    provider = {
        "provider": name,
        "label": {"en_US": "Models"},
        "provider_credential_schema": {
            "credential_form_schemas": [
                {"variable": "key", "type": "secret-input", "required": True, "label": {"en_US": "Key"}},
                {"variable": "region", "type": "text-input", "default": "東京"},
                {
                    "variable": "size",
                    "type": "text-input",
                    "required": True,
                    "show_on": [{"variable": "__model_type", "value": "rerank"}],
                },
            ]
        },
        "models": {kind: {"predefined": [f"models/{kind}/*.yaml"]} for kind in ("llm", "tts")},
    }
    able = {
        "model": "able",
        "model_type": "llm",
        "features": ["vision", "multi-tool-call", "document"],
        "model_properties": {"mode": "chat", "context_size": 32000},
        "pricing": {"input": "0.5", "output": "1.5", "unit": "0.000001", "currency": "EUR"},
    }
    made: dict[str, Any] = {
        "manifest.yaml": manifest(name=name, plugins={"models": ["provider/models.yaml"]}),
        "provider/models.yaml": provider,
        "models/llm/able.yaml": able,
        "models/llm/plain.yaml": {"model": "plain", "model_type": "llm", "model_properties": {"mode": "chat"}},
        "models/llm/_position.yaml": ["able"],
        "models/tts/voice.yaml": {
            "model": "voice",
            "model_type": "tts",
            "model_properties": {"default_voice": "桜"},
        },
    }
    written = {path: yaml.safe_dump(value, allow_unicode=True).encode() for path, value in made.items()}
    return {**written, "main.py": STAND_IN.read_bytes(), "requirements.txt": b"# nothing\n"}


def packed(content: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
        archive.comment = comment
    return data.getvalue()


def folder(path: Path, content: Mapping[str, bytes]) -> Path:
    for name, value in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(value)
    return path


class Signer:
    """Signer of packages with a test key: two primes of 1024 bits."""

    def __init__(self, first: int, second: int) -> None:
        self.modulus, self.exponent = first * second, 65537
        self._secret = pow(self.exponent, -1, (first - 1) * (second - 1))

    def signed(self, content: Mapping[str, bytes], time: int = 1_755_000_000) -> bytes:
        digest = hashlib.sha256(b"".join(hashlib.sha256(value).digest() for value in content.values()))
        digest.update(str(time).encode())
        size = (self.modulus.bit_length() + 7) // 8
        tail = bytes.fromhex("3031300d060960864801650304020105000420") + digest.digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
        signature = pow(int.from_bytes(padded), self._secret, self.modulus).to_bytes(size)
        comment = json.dumps({"signature": base64.b64encode(signature).decode(), "time": time}).encode()
        return packed(content, comment)

    @property
    def pem(self) -> str:
        """Return the public key (``SubjectPublicKeyInfo``)."""
        key = _der(0x30, _integer(self.modulus) + _integer(self.exponent))
        algorithm = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
        whole = _der(0x30, algorithm + _der(0x03, b"\x00" + key))
        text = base64.encodebytes(whole).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    head = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2)
    return bytes([tag]) + head + content


_FIRST = int(
    "e7c306d5e123d5121c6a360f9cdc793a62e1e12cf856d3e2ebb3dccf5c3e187ff8bacf28c7af34fa797b9f53dbd62250"
    "32a9099c4e547d0bd91b6f92ca92be7e083a15150f479e676ae6f0dbc1169023b94c8192cd4415ab6560aae59f456144"
    "79e718d2058c47d44b02559d33058c92f54c64d0c26e44d854a09635a4af73ef",
    16,
)
_SECOND = int(
    "eb4a7de4955c1888a5519b734e2ad715f72a5643fe2dbce287d468a6b9d307e7c6628033a9f2b2b8ee395e1c0d63dbca"
    "50c9884fe722d8246e16f9e633e6fe7a356da09eb2bfdda91e50b451c1d971db1b88ffd2809b0b057c63c1369bb8e805"
    "0f798cf3a9563d761a876c672ab054ba568c68dcfeef3e9e875e37212376a181",
    16,
)
SIGNER = Signer(_FIRST, _SECOND)
