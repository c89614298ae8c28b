"""Small in-process embedding model. The common contract is in ``tests/contract``."""

import math
import operator
import subprocess
import sys

import pytest

import jikko.providers.wordllama
from jikko.assemble import make_embedder
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import EmbeddingRequest, Vector
from jikko.providers.backends import BACKENDS
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.calling import request

pytestmark = pytest.mark.anyio

FILE = "providers: {wordllama: {type: wordllama, models: {short: {dimensions: 64}, long: {dimensions: 1000}}}}"


async def vectors(*texts: str, model: str = "l2_supercat_256") -> tuple[Vector, ...]:
    models = ProviderModels(parse_providers(FILE, {}), BACKENDS)
    wanted = EmbeddingRequest(provider="wordllama", model=model, texts=texts)
    made = (await make_embedder(models).embed(wanted)).vectors
    await models.close()
    return made


async def test_what_means_the_same_is_nearer_than_what_shares_a_word() -> None:
    question, meant, shares_a_word = await vectors("when is it open", "opening hours of the shop", "it is a red apple")

    assert math.fsum(map(operator.mul, question, meant)) > math.fsum(map(operator.mul, question, shares_a_word))


@pytest.mark.parametrize(("model", "length"), [("short", 64), ("l2_supercat_256", 256), ("long", 256)])
async def test_vectors_may_be_shorter(model: str, length: int) -> None:
    [vector] = await vectors("営業時間", model=model)

    assert len(vector) == length
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)


async def test_half_characters_are_read_over() -> None:
    broken, whole = await vectors("open \ud800 now", "open ? now")

    assert list(broken) == list(whole)


async def test_it_writes_no_answers() -> None:
    models = ProviderModels(parse_providers(FILE, {}), BACKENDS)

    with pytest.raises(ModelFailure, match="write no answers"):
        await models.complete(request(provider="wordllama", model="l2_supercat_256"))


async def test_without_its_library_one_reads_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jikko.providers.wordllama, "find_spec", lambda _name: None)

    with pytest.raises(ModelFailure, match=r"pip install '\.\[wordllama\]'"):
        await vectors("a text")


def test_nothing_of_it_is_imported_before_it_is_called() -> None:
    code = "import sys, jikko.providers.backends; print({'numpy', 'tokenizers', 'safetensors'} & {*sys.modules})"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
