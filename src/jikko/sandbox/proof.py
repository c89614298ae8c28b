"""The proof that a fork server locks its children: real ones try what is forbidden."""

import signal
from typing import TYPE_CHECKING, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.sandbox.child import ChildFailed
from jikko.sandbox.wire import BadReply, pack, parse_reply

if TYPE_CHECKING:
    from jikko.sandbox.fork_server_client import ForkServerClient

FIRST_KIND: Final = "python3"
"""The kind of job that the first children are warm for."""
_PROBE_BYTES: Final = 1 << 16
_PROBE_SECONDS: Final = 30.0
"""For which the end of a child of the self-test is waited for: it is sure to come, however busy the machine is."""


async def probed(server: "ForkServerClient") -> list[tuple[str, bool, Phrase]]:
    """Real children try what is forbidden: what, whether it was refused, what happened. Raises ``ForkServerGone``."""
    results: list[tuple[str, bool, Phrase]] = []
    child = await server.take(FIRST_KIND)
    done = False
    try:
        reply = await child.exchange(pack(b'{"kind":"probe"}'), output_bytes=_PROBE_BYTES)
        probed = parse_reply(reply.text, _PROBE_BYTES)
        results = [(title, held, Phrase(code, params)) for title, held, code, params in probed["ok"]]
        done = True
    except ChildFailed as failure:
        return [("locking a child", False, _verbatim(str(failure)))]
    except (EOFError, BadReply, KeyError, TypeError, ValueError) as error:
        ended = await child.wait_ended(_PROBE_SECONDS)
        reason = f"{type(error).__name__}, {ended}"
        results = [("answering", False, Phrase("sandbox.no_answer", {"reason": reason}))]
    finally:
        server.release(child, FIRST_KIND, done=done)
    if server.report.get("machine") == "x86_64":
        results.append(await _probed_x32(server))
    return results


async def _probed_x32(server: "ForkServerClient") -> tuple[str, bool, Phrase]:
    child = await server.take(FIRST_KIND)
    try:
        await child.exchange(pack(b'{"kind":"x32"}'), output_bytes=_PROBE_BYTES)
        return "no x32 calls", False, Phrase("sandbox.allowed")
    except ChildFailed as failure:
        return "no x32 calls", False, _verbatim(str(failure))
    except EOFError:
        ended = await child.wait_ended(_PROBE_SECONDS)
        held = ended is not None and ended.signal == signal.SIGSYS
        otherwise = Phrase("sandbox.ended_otherwise", {"reason": str(ended)})
        return "no x32 calls", held, _verbatim("SIGSYS") if held else otherwise
    finally:
        server.release(child, FIRST_KIND, done=False)


def _verbatim(text: str) -> Phrase:
    return Phrase("sandbox.verbatim", {"text": text})
