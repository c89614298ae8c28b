"""No attack of the list works, and after each the sandbox is as it was."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE
from tests.sandbox import attacks
from tests.sandbox.scene import WITH_NATIVE_CODE, WITHOUT_LANDLOCK, Outcome, outcome, outcome_in_time

pytestmark = pytest.mark.anyio

ORDINARY = "import json, re\ndef main(a):\n    return {'r': json.loads(json.dumps(a)) + len(re.findall('x', 'axbx'))}"
SECRET = "SECRET-7f1c-of-the-server"
OUT_OF_TIME = Outcome(error="The run broke the wall time limit of 0.3 s", kind="SandboxLimitError")


class Sandboxes(NamedTuple):
    """Two that work, and differ in how long a program may take."""

    hasty: ForkServerSandbox
    patient: ForkServerSandbox


def untouched(file: Path) -> bool:
    return file.read_text() == SECRET


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("server") / "secret"
    file.write_text(SECRET)
    return file


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(PROGRAM, id="all layers"),
        pytest.param(WITHOUT_LANDLOCK, id="no Landlock", marks=pytest.mark.slow),
    ],
)
async def sandboxes(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Sandboxes]:
    os.environ["JIKKO_TEST_SECRET"] = SECRET
    made = [
        ForkServerSandbox(
            SandboxLimits(wall_seconds=seconds, memory_bytes=24 << 20, concurrent_runs=2),
            program=WITH_NATIVE_CODE + request.param,
        )
        for seconds in (0.3, PATIENCE)
    ]
    for one in made:
        assert await works(one)
    yield Sandboxes(*made)
    del os.environ["JIKKO_TEST_SECRET"]
    for one in made:
        await one.close()


@pytest.fixture
def sandbox(sandboxes: Sandboxes) -> ForkServerSandbox:
    return sandboxes.patient


async def works(sandbox: ForkServerSandbox) -> bool:
    """Whether an ordinary program runs."""
    return bool((await outcome_in_time(sandbox, "python3", ORDINARY, {"a": 1})).result == {"r": 3})


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.name)
async def test_an_attack_fails_and_leaves_the_sandbox_as_it_was(
    attack: attacks.Attack, sandboxes: Sandboxes, secret_file: Path
) -> None:
    # What may end by the clock has little time; for everything else it must not be the clock that ends it.
    sandbox = sandboxes.hasty if attack.held(OUT_OF_TIME) else sandboxes.patient
    server = sandbox.fork_server
    assert server is not None
    known: dict[str, Json] = {
        "server": os.getpid(),
        "parent": server.process_id,
        "secret_file": str(secret_file),
        # Backwards, so that the program itself does not hold what it looks for.
        "mark": SECRET[::-1],
    }

    async with asyncio.timeout(2 * PATIENCE):  # later than the clock of the sandbox
        seen = await outcome(sandbox, attack.language, attack.code, {name: known[name] for name in attack.arguments})

    assert attack.held(seen), seen
    assert sandbox.fork_server is server, "the fork server did not survive"
    assert not server.gone, "the fork server did not survive"
    assert await works(sandbox)
    assert untouched(secret_file)


async def test_two_runs_draw_different_random_numbers(sandbox: ForkServerSandbox) -> None:
    python = "import random, uuid\ndef main(): return {'r': [random.random(), str(uuid.uuid4())]}"
    javascript = "function main(){ return {r: [Math.random(), Math.random()]} }"
    template = "{{ range(1000000)|random }}"

    for language, code in (("python3", python), ("javascript", javascript), ("jinja2", template)):
        first, second = await outcome(sandbox, language, code), await outcome(sandbox, language, code)
        assert not first.error
        assert first.result != second.result


async def test_it_runs_as_nobody_or_as_the_plain_user_that_it_was_started_as(sandbox: ForkServerSandbox) -> None:
    code = "import os\ndef main(): return {'ids': [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]}"

    seen = await outcome(sandbox, "python3", code)

    own = [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]
    assert seen.result == {"ids": [65534] * 4 if os.geteuid() == 0 else own}
