"""Component codecs: JPEG, WebP, AVIF and JPEG XL, for parts of a SPIFF stream and for whole images.

Encoders get pixels only, so no metadata travels; AVIF runs on one thread, because its bytes depend on the number of
threads. Decoders first compare the size that the coded data declares with the size that the caller expects: nothing
is allocated for data that lies about itself.

A coded part repeats constant headers (AVIF about 275 bytes, JPEG about 620), which weighs on small patch grids.
:func:`packed` deflates them against a fixed dictionary, a sample of such headers: 275 bytes become about 45.
"""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ntnsim.errors import CorruptStreamError, ImageError, first_line
from ntnsim.spiff.mask import inflated
from ntnsim.spiff.varint import read_varint, varint

ComponentCodec = Literal["jpeg", "webp", "avif", "jxl"]
COMPONENT_CODECS: tuple[ComponentCodec, ...] = get_args(ComponentCodec)
GRAIN_FOLLOWS = 128  # added to a crop's codec byte: strengths of grain that is added to it
RESTORABLE = 64  # added to a crop's codec byte: strengths of the texture that it lost, for restoring

_PILLOW_FORMATS = {"jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF", "jxl": "JXL"}
_MAX_HEADER_BYTES = 4096
MAX_JPEG_SCANS = 32  # each costs a pass over the whole image; progressive files have about ten
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # ISO/IEC 18181-1, SizeHeader


@dataclass(frozen=True, slots=True)
class Component:
    """How one part of an image is coded.

    quality: the codec's own scale, 1 to 100; not comparable between codecs.
    speed: AVIF only, 0 (slow, small) to 10. 9 is faster than 8; at equal PF of the lower rank a stream then needs 7 %
        more bits, and at 6 7 % fewer than at 8 (``ntnsim experiment rate``, q = 0.6).
    full_chroma: JPEG and AVIF: 4:4:4 instead of 4:2:0 (WebP has only the latter, JPEG XL only the former).
    loop_filters: AVIF only: deblocking and CDEF, which also smooth texture away.
    only_dct: AVIF only: none of the other transforms, which pay at high quality alone.
    effort: JPEG XL only, 1 (fast) to 9.

    Full chroma without filters costs AVIF 2 % of its bytes at equal quality and lifts PF (ST-LPIPS, quality 62, five
    person photographs) from 0.974 to 0.986, quality 45 from 0.936 to 0.959.
    """

    codec: ComponentCodec = "avif"
    quality: int = 60
    speed: int = 8
    full_chroma: bool = False
    loop_filters: bool = True
    only_dct: bool = False
    effort: int = 3

    def __post_init__(self) -> None:
        if self.codec not in COMPONENT_CODECS:
            raise ImageError(f"component codec {self.codec!r} is unknown; allowed are {COMPONENT_CODECS}")
        if not 1 <= self.quality <= 100:
            raise ImageError(f"component quality must be in 1 to 100, got {self.quality!r}")
        if not 0 <= self.speed <= 10:
            raise ImageError(f"component speed must be in 0 to 10, got {self.speed!r}")
        if not 1 <= self.effort <= 9:
            raise ImageError(f"component effort must be in 1 to 9, got {self.effort!r}")


AVIF_MAX_SIDE_PX = 32_768  # libavif's decoder refuses more, its encoder does not


def encode_component(pixels: NDArray[np.uint8], component: Component) -> bytes:
    """Return *pixels* [H, W, 3] as a complete file of the component's codec.

    Raises ImageError where the codec's format cannot hold an image of that size.
    """
    if component.codec == "jpeg":
        # Optimised tables are usually smaller; on a few tiles the standard ones are, since they pack away.
        subsampling = "4:4:4" if component.full_chroma else "4:2:0"
        candidates = [
            _saved(pixels, "jpeg", quality=component.quality, optimize=optimise, subsampling=subsampling)
            for optimise in (True, False)
        ]
        return min(candidates, key=lambda data: len(packed(data, "jpeg")))
    options: dict[str, Any] = {"quality": component.quality}
    if component.codec == "avif":
        if max(pixels.shape[:2]) > AVIF_MAX_SIDE_PX:
            raise ImageError(
                f"{pixels.shape[1]}x{pixels.shape[0]} pixels as AVIF: sides up to {AVIF_MAX_SIDE_PX} can be decoded"
            )
        options |= {"speed": component.speed, "max_threads": 1}
        options["subsampling"] = "4:4:4" if component.full_chroma else "4:2:0"
        advanced: dict[str, str] = {}
        if not component.loop_filters:
            advanced |= {"enable-cdef": "0", "loopfilter-control": "0"}
        if component.only_dct:
            advanced |= {"use-intra-dct-only": "1"}
        options["advanced"] = advanced
    elif component.codec == "webp":
        options |= {"method": 4}
    else:
        options |= {"effort": component.effort, "num_threads": 0}
    return _saved(pixels, component.codec, **options)


def decode_component(
    data: bytes, codec: ComponentCodec, shape: tuple[int, int], part: str
) -> NDArray[np.uint8]:
    """Return the pixels [H, W, 3] of *data*, which must be an image of *shape* (H, W).

    part: what an error message calls this part of the stream.
    """
    declared = declared_shape(data, codec, part)
    if declared != shape:
        raise CorruptStreamError(
            f"{part}: the {codec} data declares {declared[1]}x{declared[0]} pixels, "
            f"the stream says {shape[1]}x{shape[0]}"
        )
    if codec == "jpeg" and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise CorruptStreamError(f"{part}: the jpeg data holds more than {MAX_JPEG_SCANS} scans")
    with _opened(data, codec, part) as image:
        try:
            pixels = np.array(image.convert("RGB"))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the JPEG XL plugin panics outside Exception
            raise CorruptStreamError(f"{part}: the {codec} data is damaged ({first_line(error)})") from None
    if pixels.shape[:2] != shape:
        raise CorruptStreamError(
            f"{part}: the {codec} data decodes to {pixels.shape[1]}x{pixels.shape[0]} pixels"
        )
    return pixels


def declared_shape(data: bytes, codec: ComponentCodec, part: str) -> tuple[int, int]:
    """Return the (H, W) that the coded *data* declares, without decoding any pixel."""
    if codec == "jxl":
        return _jxl_shape(data, part)  # the plugin would decode everything on opening
    with _opened(data, codec, part) as image:
        return image.size[1], image.size[0]


def packed(data: bytes, codec: ComponentCodec) -> bytes:
    """Return a coded file with its constant header deflated against the format's dictionary."""
    header = data[: _header_length(data, codec)]
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_header_dictionary())
    short = compressor.compress(header) + compressor.flush() if header else b""
    if len(short) + 4 >= len(header):
        return varint(0) + data
    return varint(len(header)) + varint(len(short)) + short + data[len(header) :]


def unpacked(data: bytes, part: str) -> bytes:
    """Return the coded file that :func:`packed` shortened."""
    header_bytes, offset = read_varint(data, 0, part)
    if header_bytes == 0:
        return data[offset:]
    if header_bytes > _MAX_HEADER_BYTES:
        raise CorruptStreamError(
            f"{part}: a packed header of {header_bytes} bytes is not allowed, at most {_MAX_HEADER_BYTES} are"
        )
    short_bytes, offset = read_varint(data, offset, part)
    header = inflated(data[offset : offset + short_bytes], header_bytes, part, zdict=_header_dictionary())
    if len(header) != header_bytes:
        raise CorruptStreamError(f"{part}: the packed header holds {len(header)} bytes, not {header_bytes}")
    return header + data[offset + short_bytes :]


@lru_cache(maxsize=1)
def _header_dictionary() -> bytes:
    """Return the dictionary of format version 1: JPEG headers at qualities 45, 95, 75, then an AVIF header."""
    return (files("ntnsim.spiff") / "component_headers_v1.bin").read_bytes()


def _header_length(data: bytes, codec: ComponentCodec) -> int:
    if codec == "avif":
        found = data.find(b"mdat", 0, _MAX_HEADER_BYTES - 4)
        return found + 4 if found >= 0 else 0
    if codec == "jpeg":
        found = data.find(b"\xff\xda", 0, _MAX_HEADER_BYTES - 64)
        return found + 2 + struct.unpack_from(">H", data, found + 2)[0] if found >= 0 else 0
    return 0


def _saved(pixels: NDArray[np.uint8], codec: ComponentCodec, **options: Any) -> bytes:
    if codec == "jxl":
        _register_jxl()
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(buffer, format=_PILLOW_FORMATS[codec], **options)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{codec} cannot encode {pixels.shape[1]}x{pixels.shape[0]} pixels ({error})"
        ) from None
    return buffer.getvalue()


def _opened(data: bytes, codec: ComponentCodec, part: str) -> Image.Image:
    if codec == "jxl":
        _register_jxl()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=[_PILLOW_FORMATS[codec]])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        unknown = isinstance(error, Image.UnidentifiedImageError)
        reason = "not an image of that kind" if unknown else first_line(error)
        raise CorruptStreamError(f"{part}: the {codec} data is damaged ({reason})") from None


def _register_jxl() -> None:
    import pillow_jxl  # noqa: F401  (registers itself with Pillow)


def _jxl_shape(data: bytes, part: str) -> tuple[int, int]:
    """Return the (H, W) in the SizeHeader of a bare JPEG XL codestream (ISO/IEC 18181-1)."""
    if data[:2] != b"\xff\x0a" or len(data) < 12:
        raise CorruptStreamError(f"{part}: the jxl data is damaged (not a bare codestream)")
    bits = int.from_bytes(data[2:12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side(small: bool) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = bool(take(1))
    height = side(small)
    ratio = take(3)
    if ratio == 0:
        return height, side(small)
    numerator, denominator = _JXL_RATIOS[ratio - 1]
    return height, height * numerator // denominator
