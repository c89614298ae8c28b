"""Server process of ``llama_cpp``.

Reads its options as a line of JSON from standard input, prints its address, and ends with its input, and so with its
parent, whatever happens to that.
"""

import json
import os
import sys
from typing import Final

_MAX_TOKENS: Final = 4096
"""Maximum tokens of an embedded text, without ``context``. Memory is allocated for all of them."""


def main() -> None:
    """Serve until standard input ends."""
    options = json.loads(sys.stdin.readline())
    # llama.cpp writes to standard output; the address gets a stream of its own.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        import xllamacpp  # type: ignore[import-untyped, unused-ignore]  # untyped, and only in the extra

        parameters = xllamacpp.CommonParams()
        parameters.model.path = options["path"]
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        # llama.cpp divides it among concurrent answers.
        parameters.n_ctx = options["context"] * options["parallel"]
        parameters.n_parallel = options["parallel"]
        parameters.api_keys = [options["key"]]
        parameters.use_jinja = True
        parameters.warmup = False
        if options.get("embedding"):
            parameters.embedding = True
            # One text at a time, with the whole context, read in one step: embeddings require it.
            parameters.n_ctx, parameters.n_parallel = options["context"], 1
            parameters.n_batch = parameters.n_ubatch = options["context"] or _MAX_TOKENS
            if options.get("pooling"):
                parameters.pooling_type = getattr(
                    xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{options['pooling'].upper()}"
                )
        server = xllamacpp.Server(parameters)
        print(server.listening_address, file=out, flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=out, flush=True)
        os._exit(1)
    sys.stdin.read()
    # Without waiting for running requests.
    os._exit(0)


if __name__ == "__main__":
    main()
