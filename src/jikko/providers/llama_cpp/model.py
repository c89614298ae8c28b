"""Local models: llama.cpp's own server in a process, from the wheel ``xllamacpp``.

Needs the extra ``local``. The process isolates this one from broken model files and exhausted memory.
"""

import asyncio
import importlib.util
import json
import logging
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from jikko.ports.models import ModelFailure, ModelRequest
from jikko.providers.backends import EmbeddedBatch
from jikko.providers.config import ProviderConfig
from jikko.providers.openai.compatible import OpenAICompatible
from jikko.providers.progress import AnswerCollector
from jikko.providers.provider_connections import missing_library

log = logging.getLogger(__name__)

_START_SECONDS: Final = 120.0
"""Timeout of loading: large models may come from slow disks."""


class LlamaServer:
    """One server process, started on demand, and restarted if it died."""

    def __init__(self, config: ProviderConfig, *, embedding: bool = False) -> None:
        """``embedding``: Whether it makes vectors instead of answers."""
        self._config = config
        self._embedding = embedding
        self._path = Path(str(config.options["path"]))
        self._process: asyncio.subprocess.Process | None = None
        self._client: OpenAICompatible | None = None
        self._starting = asyncio.Lock()

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def client(self) -> OpenAICompatible:
        """Return the client of the process, starting it if necessary. Raises ``ModelFailure``: it cannot serve."""
        async with self._starting:
            if self._client is None or not self.is_up:
                await self.close()
                self._client = await self._start()
            return self._client

    async def close(self) -> None:
        """End the process. Idempotent."""
        client, self._client = self._client, None
        process, self._process = self._process, None
        if client is not None:
            await client.close()
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _start(self) -> OpenAICompatible:
        if not self._path.is_file():
            log.error("No model file %s.", self._path)
            raise ModelFailure(
                f"No model file {self._path.name} at the path in the providers file (JIKKO_PROVIDERS).",
                kind="ModelNotExistError",
            )
        key = secrets.token_urlsafe(24)
        options = {
            "path": str(self._path),
            "key": key,
            "context": int(self._config.options.get("context") or 0),
            "parallel": int(self._config.options.get("parallel") or 4),
            "embedding": self._embedding,
            "pooling": str(self._config.options.get("pooling") or ""),
        }
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jikko.providers.llama_cpp.server",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        # By pipe: other users can read a process's arguments and environment. It stays open as a sign of life.
        process.stdin.write(json.dumps(options).encode() + b"\n")
        try:
            async with asyncio.timeout(_START_SECONDS):
                address = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            address = ""
        except BaseException:
            process.kill()
            raise
        if not address.startswith("http"):
            await self.close()
            raise ModelFailure(
                f"The model file {self._path.name} cannot be served: {address}", kind="InvokeServerUnavailableError"
            )
        return OpenAICompatible(replace(self._config, type="openai", base_url=f"{address}/v1", api_key=key))


class LlamaCpp:
    """One model file: a ``Backend`` and ``EmbeddingBackend``.

    A server starts with the first request, and ends with this process. llama.cpp serves answers or vectors, not both:
    for both there are two servers.
    """

    def __init__(self, config: ProviderConfig) -> None:
        """Raises ``ModelFailure`` if the library is not installed."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise missing_library(config.type, "local")
        self._answers = LlamaServer(config)
        self._vectors = LlamaServer(config, embedding=True)

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        client = await self._answers.client()
        await client.complete(request, progress)

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        client = await self._vectors.client()
        return await client.embed(model, texts, dimensions)

    async def models(self) -> list[str]:
        client = await (self._vectors if self._vectors.is_up else self._answers).client()
        return await client.models()

    async def close(self) -> None:
        await self._answers.close()
        await self._vectors.close()
