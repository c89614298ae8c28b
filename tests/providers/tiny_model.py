"""Writes a tiny Llama-architecture model with random weights (475 KB) as GGUF: real to a server, but its output is
meaningless. Requires only the standard library. Usage: ``python -m tests.providers.tiny_model tiny.gguf``."""

import random
import struct
import sys
from array import array
from pathlib import Path
from typing import Any

WORDS = ("the", "a", "run", "flow", "node", "yes", "no", "ok", "jikko", "text")
VOCABULARY = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *("\u2581" + word for word in WORDS)]
UNKNOWN, CONTROL, BYTE, NORMAL = 2, 3, 6, 1
KINDS = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(WORDS)]
EMBEDDING, FEED_FORWARD, LAYERS, HEADS, CONTEXT = 64, 128, 2, 4, 8192
CHAT_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
ALIGNMENT = 32
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9

_NUMBERS = {UINT32: "<I", INT32: "<i", FLOAT32: "<f"}


def write_tiny_model(path: Path) -> None:
    """Write the model file."""
    tensors = _tensors()
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(METADATA))]
    head += [_text(name) + struct.pack("<I", kind) + _value(kind, value) for name, kind, value in METADATA]
    offset = 0
    for name, shape, data in tensors:
        head.append(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset))
        offset += len(data)
    with path.open("wb") as out:
        out.write(_padded(b"".join(head)))
        for _, _, data in tensors:
            out.write(data)


METADATA: list[tuple[str, int, Any]] = [
    ("general.architecture", STRING, "llama"),
    ("general.name", STRING, "tiny-random"),
    ("general.file_type", UINT32, 0),
    ("llama.context_length", UINT32, CONTEXT),
    ("llama.embedding_length", UINT32, EMBEDDING),
    ("llama.block_count", UINT32, LAYERS),
    ("llama.feed_forward_length", UINT32, FEED_FORWARD),
    ("llama.attention.head_count", UINT32, HEADS),
    ("llama.attention.head_count_kv", UINT32, HEADS),
    ("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
    ("llama.rope.dimension_count", UINT32, EMBEDDING // HEADS),
    ("llama.vocab_size", UINT32, len(VOCABULARY)),
    ("tokenizer.ggml.model", STRING, "llama"),
    ("tokenizer.ggml.tokens", ARRAY, (STRING, VOCABULARY)),
    ("tokenizer.ggml.scores", ARRAY, (FLOAT32, [0.0] * len(VOCABULARY))),
    ("tokenizer.ggml.token_type", ARRAY, (INT32, KINDS)),
    ("tokenizer.ggml.bos_token_id", UINT32, 1),
    ("tokenizer.ggml.eos_token_id", UINT32, 2),
    ("tokenizer.ggml.unknown_token_id", UINT32, 0),
    ("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
]


def _tensors() -> list[tuple[str, tuple[int, ...], bytes]]:
    source = random.Random(0)

    def weights(rows: int, columns: int) -> tuple[tuple[int, ...], bytes]:
        return (columns, rows), array("f", [source.gauss(0, 0.05) for _ in range(rows * columns)]).tobytes()

    def ones() -> tuple[tuple[int, ...], bytes]:
        return (EMBEDDING,), array("f", [1.0] * EMBEDDING).tobytes()

    found = [
        ("token_embd.weight", *weights(len(VOCABULARY), EMBEDDING)),
        ("output_norm.weight", *ones()),
        ("output.weight", *weights(len(VOCABULARY), EMBEDDING)),
    ]
    square, wide, ones_of = (EMBEDDING, EMBEDDING), (FEED_FORWARD, EMBEDDING), ("attn_norm", "ffn_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        found += [
            (f"{block}.{name}.weight", *weights(*square)) for name in ("attn_q", "attn_k", "attn_v", "attn_output")
        ]
        found += [(f"{block}.{name}.weight", *weights(*wide)) for name in ("ffn_gate", "ffn_up")]
        found.append((f"{block}.ffn_down.weight", *weights(EMBEDDING, FEED_FORWARD)))
        found += [(f"{block}.{name}.weight", *ones()) for name in ones_of]
    return [(name, shape, _padded(data)) for name, shape, data in found]


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return _text(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(_value(element, item) for item in items)
    return struct.pack(_NUMBERS[kind], value)


if __name__ == "__main__":
    write_tiny_model(Path(sys.argv[1]))
