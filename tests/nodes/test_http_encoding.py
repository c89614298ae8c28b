"""HTTP Request node with lone surrogates, which cannot be encoded."""

import pytest

from jikko.values import Json
from tests.nodes.http_bench import Bench, key

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (
            {"authorization": key("basic", "user:{{#start.half#}}")},
            "AuthorizationConfigError",
            "The API key holds characters that cannot be sent.",
        ),
        (
            {"params": "q: {{#start.half#}}"},
            "InvalidURLError",
            "The parameters hold characters that cannot be sent.",
        ),
    ],
)
async def test_it_fails_the_node_in_words(data: dict[str, Json], kind: str, message: str) -> None:
    failure = await Bench(**data).failure()

    assert (failure.kind, str(failure)) == (kind, message)
