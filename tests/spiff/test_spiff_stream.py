"""The .spiff stream: accounting, golden bytes, damage, and mutated input."""

import zlib
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntnsim.errors import BitstreamError, CorruptStreamError, TruncatedStreamError, UnsupportedVersionError
from ntnsim.protocols.configuration import Configuration
from ntnsim.spiff.bitstream import (
    Frame,
    Kind,
    Part,
    bits_per_rank,
    read_stream,
    split_bits,
    write_stream,
)
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.mask import decode_bitmap, encode_bitmap
from ntnsim.spiff.settings import SPIFF, SPIFF_PAPER
from ntnsim.spiff.varint import read_varint, varint

FULL = Configuration(0.05, (0.3,), 0.4)


@pytest.fixture(scope="module")
def stream(astronaut, astronaut_mask):
    return encode_image(
        astronaut, astronaut_mask.astype(np.uint8), FULL, SPIFF, n_ranks=2, seed=3, caption="a person"
    ).payload


@given(st.integers(0, 2**35 - 1))
def test_varint_round_trip(value):
    assert read_varint(b"x" + varint(value), 1, "here") == (value, 1 + len(varint(value)))


def test_varint_refuses_what_it_cannot_hold_or_find():
    with pytest.raises(ValueError, match=r"0 to 2\^35 - 1, got -1"):
        varint(-1)
    with pytest.raises(CorruptStreamError, match="here: a number at byte 1 is cut off"):
        read_varint(b"\x01\x80", 1, "here")
    with pytest.raises(CorruptStreamError, match="longer than 5 bytes"):
        read_varint(b"\xff" * 9, 0, "here")


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_bitmap_round_trip(height, width, density, seed):
    bits = np.random.default_rng(seed).random((height, width)) < density
    assert np.array_equal(decode_bitmap(encode_bitmap(bits), bits.shape, "mask"), bits)


def test_bitmap_of_one_blob_costs_less_than_deflate(astronaut_mask):
    code = encode_bitmap(astronaut_mask)
    assert code[0] == 4  # CCITT G4
    assert len(code) < len(zlib.compress(np.packbits(astronaut_mask).tobytes(), 9))


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_split_bits_keeps_the_sum_and_the_proportions(total, shares):
    portions = split_bits(total, shares)
    assert sum(portions) == total
    if sum(shares):
        for portion, share in zip(portions, shares, strict=True):
            assert abs(portion - total * share / sum(shares)) < 1


def test_golden_stream_of_format_version_1():
    """Written once by hand from the page in bitstream.py: old files must stay readable whatever the code does."""
    directory = bytes([3, 2, 2, 16, 1]) + bytes(
        [7, 0, 3]
    )  # 3x2 px, R=2, P=16, one part: a caption of 3 bytes
    head = b"SPIF\x01" + bytes([len(directory)]) + directory
    payload = b"\x00hi"
    golden = head + crc32(head).to_bytes(4, "little") + payload + crc32(payload).to_bytes(4, "little")
    assert write_stream(Frame(3, 2, 2, 16), [Part(Kind.CAPTION, 0, payload)]) == golden
    received = decode_partial_image(golden)
    assert received.caption == "hi" and received.pixels.shape == (2, 3, 3) and not received.known.any()


def test_stored_stream_with_every_kind_of_part_decodes_as_it_did():
    """golden_v1.spiff: a gradient of 70x50 with three ranks, written by the first release of the format."""
    payload = (Path(__file__).parent / "golden_v1.spiff").read_bytes()
    parsed = read_stream(payload)
    assert [part.kind for part in parsed.parts] == [1, 2, 3, 5, 5, 4, 6, 7]
    assert bits_per_rank(parsed) == (1957, 2707, 1056)
    received = decode_partial_image(payload)
    # Which pixels travelled depends on region, tile map and the replayed choice: exact, for ever.
    digest = blake2b(np.packbits(received.known).tobytes(), digest_size=8).hexdigest()
    assert (int(received.known.sum()), digest) == (2188, "bb6e9e7f6b9969df")
    rows, columns = np.mgrid[0:50, 0:70]
    gradient = np.stack([rows * 5, columns * 3, (rows + columns) * 2], axis=2)
    assert (
        np.abs(received.pixels - gradient)[received.known].mean() < 4
    )  # codec libraries may differ in rounding
    assert np.abs(received.coarse - gradient)[~received.top].mean() < 12
    assert received.grain.tolist() == [[4, 3, 2], [3, 3, 0]]
    assert received.top[10:30, 20:44].all() and received.top.sum() == 20 * 24
    assert received.caption.startswith("a gradient with a rectangle")


def test_bits_of_all_ranks_and_overhead_make_up_the_file(stream):
    parsed = read_stream(stream)
    bits = bits_per_rank(parsed)
    sizes = {part.name: 8 * len(part.payload) for part in parsed.parts}
    assert bits == (sizes["grid of rank 0"] + sizes["coarse"], sizes["crop"])
    assert sum(bits) < 8 * len(stream)


def test_overhead_beyond_region_and_map_is_below_two_percent(stream):
    parsed = read_stream(stream)
    beyond = len(stream) - sum(len(part.payload) for part in parsed.parts)
    assert beyond < 0.02 * len(stream)


def test_unknown_version_is_named(stream):
    with pytest.raises(
        UnsupportedVersionError, match=r"^version: byte 4 says 9; this program reads version 1$"
    ):
        read_stream(stream[:4] + b"\x09" + stream[5:])


def test_truncated_stream_names_the_missing_part(stream):
    parsed = read_stream(stream)
    last = parsed.parts[-1]
    start = len(stream) - 4 - len(last.payload)
    with pytest.raises(
        TruncatedStreamError, match=rf"^caption: needs bytes {start} to {len(stream) - 1}, the stream"
    ):
        read_stream(stream[:-1])
    for length in range(0, 40):
        with pytest.raises(TruncatedStreamError, match=r"^(magic|directory|region): needs bytes"):
            read_stream(stream[:length])


def test_damage_names_the_part_and_its_bytes(stream):
    parsed = read_stream(stream)
    offset = len(stream)
    for part in reversed(parsed.parts):
        offset -= len(part.payload) + 4
        broken = bytearray(stream)
        broken[offset + len(part.payload) // 2] ^= 0x10
        end = offset + len(part.payload) + 3
        message = f"^{part.name}: the checksum of bytes {offset} to {end} does not hold$"
        with pytest.raises(CorruptStreamError, match=message):
            read_stream(bytes(broken))
    with pytest.raises(
        CorruptStreamError, match=r"^directory: the checksum of bytes 0 to \d+ does not hold$"
    ):
        read_stream(stream[:8] + bytes([stream[8] ^ 1]) + stream[9:])
    with pytest.raises(CorruptStreamError, match=r"^end of the stream: 2 bytes follow"):
        read_stream(stream + b"no")
    with pytest.raises(CorruptStreamError, match=r"^magic: the stream starts with b'RIFF'"):
        read_stream(b"RIFF" + stream[4:])


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        (Kind.CROP, "crop"),
        (Kind.GRID, "grid"),
        (Kind.COARSE, "coarse"),
        (Kind.TILES, "tiles"),
        (Kind.REGION, "region"),
    ],
)
def test_partial_decoding_rebuilds_what_is_intact(stream, kind, lost):
    whole = decode_partial_image(stream)
    parsed = read_stream(stream)
    offset = len(stream)
    broken = bytearray(stream)
    for part in reversed(parsed.parts):
        offset -= len(part.payload) + 4
        if part.kind == kind:
            broken[offset + len(part.payload)] ^= 0xFF
    with pytest.raises(CorruptStreamError):
        decode_partial_image(bytes(broken))
    rest = decode_partial_image(bytes(broken), partial=True)
    assert rest.damage and rest.damage[0].startswith(lost)
    assert (rest.coarse is None) == (kind == Kind.COARSE)
    assert (rest.known <= whole.known).all()
    same = rest.known & whole.known
    if kind == Kind.CROP:
        assert rest.known.any() and rest.known.sum() < whole.known.sum()
    if kind in (Kind.GRID, Kind.TILES):
        assert np.array_equal(rest.pixels[same], whole.pixels[same]) and same.any()


def with_fixed_checksums(data: bytes) -> bytes | None:
    """Return *data* with every CRC made right again, so that mutations reach the decoders behind them."""
    try:
        n, start = read_varint(data, 5, "directory")
        head = data[: start + n]
        parts = []
        body = start + n + 4
        position = start
        for _ in range(5):
            _, position = read_varint(data, position, "directory")
        out = head + crc32(head).to_bytes(4, "little")
        while position < start + n:
            _, position = read_varint(data, position + 1, "directory")
            length, position = read_varint(data, position, "directory")
            payload = data[body : body + length]
            parts.append(payload + crc32(payload).to_bytes(4, "little"))
            body += length + 4
        return out + b"".join(parts)
    except (BitstreamError, IndexError):
        return None


def test_ten_thousand_mutated_streams_raise_only_the_documented_errors(stream, astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    small = astronaut[::2, ::2][:48, :48], np.ascontiguousarray(ranks[::2, ::2][:48, :48])
    paper = encode_image(*small, Configuration(0.1, (0.3,), 0), SPIFF_PAPER, n_ranks=2, seed=3).payload
    three = encode_image(*small, Configuration(0, (0.3, 0.3), 0.2), SPIFF, n_ranks=3, seed=3).payload
    rng = np.random.default_rng(0)
    outcomes = {"decoded": 0, "refused": 0}
    sources = [stream, paper, three]
    for trial in range(10_000):
        data = bytearray(sources[trial % 3])
        for _ in range(int(rng.integers(1, 4))):
            where = int(rng.integers(len(data)) if rng.random() < 0.5 else rng.integers(min(80, len(data))))
            action = rng.integers(4)
            if action == 0:
                data[where] = int(rng.integers(256))
            elif action == 1:
                data[where] ^= 1 << int(rng.integers(8))
            elif action == 2:
                del data[where : where + int(rng.integers(1, 20))]
            else:
                data[where:where] = rng.bytes(int(rng.integers(1, 20)))
        mutated = bytes(data)
        if trial % 2:
            mutated = with_fixed_checksums(mutated) or mutated
        try:
            decode_partial_image(mutated, partial=trial % 5 == 0)
            outcomes["decoded"] += 1
        except BitstreamError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 5_000
    assert outcomes["decoded"] > 100
