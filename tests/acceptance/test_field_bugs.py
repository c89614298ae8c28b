"""What went wrong in other engines and needs a server to be seen. The others are in ``service/test_field_bugs.py``."""

from tests.acceptance.conftest import Scene


def test_an_error_before_the_engine_starts_leaves_the_stream_open(scene: Scene) -> None:
    messages = scene.client("strict").stream()

    last = messages[-1]
    assert last["event"] == "workflow_finished"
    assert (last["data"]["status"], last["data"]["error"]) == ("failed", "q is required in input form")
