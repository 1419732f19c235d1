"""Unsigned integers of variable length: seven bits a byte, lowest first, the high bit says that more follow."""

from ntnsim.errors import CorruptStreamError

_MAX_BYTES = 5  # values below 2^35; nothing in a stream is larger


def varint(value: int) -> bytes:
    """Return the code of *value*, 0 ≤ value < 2³⁵."""
    if not 0 <= value < 1 << 7 * _MAX_BYTES:
        raise ValueError(f"a varint holds 0 to 2^35 - 1, got {value!r}")
    code = bytearray()
    while value >= 0x80:
        code.append(value & 0x7F | 0x80)
        value >>= 7
    code.append(value)
    return bytes(code)


def read_varint(data: bytes, offset: int, part: str) -> tuple[int, int]:
    """Return the value at *offset* of *data*, and the offset behind it.

    part: what an error message calls this part of the stream.
    """
    value = 0
    for index in range(_MAX_BYTES):
        if offset + index >= len(data):
            raise CorruptStreamError(f"{part}: a number at byte {offset} is cut off")
        byte = data[offset + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, offset + index + 1
    raise CorruptStreamError(f"{part}: a number at byte {offset} is longer than {_MAX_BYTES} bytes")
