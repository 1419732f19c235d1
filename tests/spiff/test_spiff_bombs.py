"""Small streams that ask for much: the cost of reading follows the bytes received and a stated limit."""

import io
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ntnsim.errors import CorruptStreamError, ImageError
from ntnsim.spiff import bitstream
from ntnsim.spiff.bitstream import Frame, Kind, Part, most_pixels, write_stream
from ntnsim.spiff.components import AVIF_MAX_SIDE_PX, Component, decode_component, encode_component, packed
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.varint import varint

ALL_SET, ALL_CLEAR = b"\1", b"\0"
N_RANKS = 250
MOST_MEMORY_BYTES = 1 << 30
MOST_CPU_S = 10.0

MEASURED = """
import sys, time
from ntnsim.errors import BitstreamError
from ntnsim.spiff.decoder import decode_partial_image
before = time.process_time()
try:
    decode_partial_image(sys.stdin.buffer.read())
    said = "decoded"
except BitstreamError as error:
    said = str(error)
# This process's own peak: getrusage tells that of the process that started it, if it was larger.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() - before, int(peak.split()[1]) * 1024, said)
"""


def cost(stream: bytes) -> tuple[float, float, str]:
    """Return CPU seconds, peak bytes and the answer of a process of its own that decodes *stream*."""
    done = subprocess.run([sys.executable, "-c", MEASURED], input=stream, capture_output=True, check=True)
    seconds, peak, said = done.stdout.decode().split(" ", 2)
    return float(seconds), float(peak), said.strip()


def flat(codec, width, height):
    """A grey picture, the smallest that the codec makes."""
    data = encode_component(np.full((height, width, 3), 128, np.uint8), Component(codec, 1))
    return bytes([("jpeg", "webp", "avif", "jxl").index(codec)]) + packed(data, codec)


def unchecked(frame, parts, monkeypatch):
    """The stream as an attacker writes it, whatever our encoder would refuse."""
    with monkeypatch.context() as lifted:
        lifted.setattr(bitstream, "most_pixels", lambda stream_bytes: bitstream.MAX_PIXELS)
        return write_stream(frame, parts)


def test_frame_alone_may_not_ask_for_many_pixels(monkeypatch):
    stream = unchecked(Frame(8192, 8192, 2, 16), [], monkeypatch)
    assert len(stream) < 30
    with pytest.raises(
        CorruptStreamError, match=r"width x height in \d+ bytes is 67108864, allowed are 1 to"
    ):
        decode_partial_image(stream)


def test_encoder_never_writes_what_the_decoder_refuses():
    side = 4096
    write_stream(Frame(side, side, 2, 16), [])
    with pytest.raises(ImageError, match=r"a stream of \d+ bytes may not hold 8192x4096 pixels"):
        write_stream(Frame(2 * side, side, 2, 16), [])
    frame = Frame(2 * side, side, 2, 16)
    enough = (2 * side * side - bitstream.SMALL_STREAM_PIXELS) // bitstream.PIXELS_PER_BYTE
    stream = write_stream(frame, [Part(Kind.CAPTION, 0, b"\0" + b"a" * enough)])
    assert decode_partial_image(stream).pixels.shape == (side, 2 * side, 3)
    assert most_pixels(10**9) == bitstream.MAX_PIXELS


def test_a_tile_is_in_one_grid_alone():
    blocks = (varint(1) + ALL_SET) * (N_RANKS - 1)
    stream = write_stream(Frame(640, 480, N_RANKS, 16), [Part(Kind.TILES, 0, b"\1" + blocks)])
    with pytest.raises(CorruptStreamError, match="a tile of rank 1 is a lower rank's too"):
        decode_partial_image(stream)


def test_no_more_tiles_are_replayed_than_there_are():
    replay = b"\0\1" + bytes(4) + varint(1201)
    with pytest.raises(
        CorruptStreamError, match="1201 tiles of rank 0 are to be replayed, the image has 1200"
    ):
        decode_partial_image(write_stream(Frame(640, 480, 2, 16), [Part(Kind.TILES, 0, replay)]))


def test_jpeg_with_hundreds_of_scans_is_refused():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    assert decode_component(whole, "jpeg", (64, 64), "crop").shape == (64, 64, 3)
    start = whole.rindex(b"\xff\xda")
    many = whole[:start] + whole[start:-2] * 300 + whole[-2:]
    with pytest.raises(CorruptStreamError, match="holds more than 32 scans"):
        decode_component(many, "jpeg", (64, 64), "crop")


def test_widest_avif_is_read_again():
    data = encode_component(np.zeros((8, AVIF_MAX_SIDE_PX, 3), np.uint8), Component("avif", speed=10))
    assert decode_component(data, "avif", (8, AVIF_MAX_SIDE_PX), "x").shape == (8, AVIF_MAX_SIDE_PX, 3)


SIDE = 4096  # the largest square that any stream may hold, in tiles of 4 px: a million


def bombs():
    def tiles(payload, ranks, parts=()):
        return Frame(SIDE, SIDE, ranks, 4), [Part(Kind.TILES, 0, payload), *parts]

    count = (SIDE // 4) ** 2
    clear = (varint(1) + ALL_CLEAR) * (N_RANKS - 2)
    grid = flat("jxl", SIDE, SIDE)
    grids = [Part(Kind.GRID, rank, grid) for rank in range(N_RANKS - 1)]
    yield "frame alone", (Frame(SIDE, SIDE, 2, 16), [])
    yield "all set, every rank", tiles(b"\1" + (varint(1) + ALL_SET) * (N_RANKS - 1), N_RANKS)
    yield "one set, the others clear", tiles(b"\1" + varint(1) + ALL_SET + clear, N_RANKS)
    yield "replay of all, spread", tiles(b"\0\1" + bytes(4) + varint(count), 2)
    yield (
        "replay in every rank",
        tiles(
            b"\0\1" + bytes(4) + varint(1) * (N_RANKS - 1) + (varint(1) + ALL_SET) * (N_RANKS - 2), N_RANKS
        ),
    )
    yield "JPEG XL grids of the whole image", tiles(b"\1" + varint(1) + ALL_SET + clear, N_RANKS, grids)
    for codec in ("jpeg", "avif", "jxl"):
        yield (
            f"flat {codec} crop",
            (
                Frame(SIDE, SIDE, 2, 16),
                [Part(Kind.REGION, 0, b"\x10" + ALL_SET), Part(Kind.CROP, 1, flat(codec, SIDE, SIDE))],
            ),
        )
    yield "one grid of a million tiles", tiles(b"\1" + varint(1) + ALL_SET, 2, [Part(Kind.GRID, 0, grid)])
    coarse = bytes([3, 16]) + b"\0" + grid[1:]
    yield "flat layer", (Frame(SIDE, SIDE, 2, 16), [Part(Kind.COARSE, 0, coarse)])


@pytest.mark.parametrize(
    ("name", "content"), list(bombs()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_small_bombs_cost_little(name, content):
    frame, parts = content
    seconds, peak, said = cost(write_stream(frame, parts))
    assert "\n" not in said
    assert peak < MOST_MEMORY_BYTES, said
    assert seconds < MOST_CPU_S, said


def test_lack_of_memory_is_one_line(tmp_path):
    side = 8192
    needed = (side * side - bitstream.SMALL_STREAM_PIXELS) // bitstream.PIXELS_PER_BYTE
    caption = Part(Kind.CAPTION, 0, b"\0" + b"a" * needed)
    path = tmp_path / "large.spiff"
    path.write_bytes(write_stream(Frame(side, side, 2, 16), [caption]))
    arguments = ["decode", str(path), "-o", str(tmp_path / "o.png"), "--inpaint", "nearest"]

    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "ntnsim", *arguments],
        capture_output=True,
        text=True,
        preexec_fn=little_memory,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ntnsim: not enough memory (")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "o.png").exists()
