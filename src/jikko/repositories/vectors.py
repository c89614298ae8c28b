"""Vectors as they are stored: 32-bit floats, the lowest byte first."""

import sys
from array import array

from jikko.ports.embeddings import Vector


def vector_blob(vector: Vector) -> bytes:
    """A vector as it is stored."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()


def vector_of(blob: bytes) -> Vector:
    """The vector that was stored."""
    vector = array("f", blob)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
