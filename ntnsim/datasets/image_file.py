"""Image files in and out: any common file becomes upright uint8 RGB."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ntnsim.errors import ImageError, first_line

MAX_SIDE_PX = 65_535
MAX_PIXELS = 1 << 26  # 67 megapixels, as of a SPIFF stream; Pillow's own limit is higher
_PHOTOMETRIC = 262  # TIFF tag


def rgb_of_bytes(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return the upright RGB pixels [H, W, 3] of an image file.

    Greyscale, palette and CMYK are converted; transparency is laid over white; EXIF rotation is applied. Colours are
    converted to sRGB where a profile says that they are others. Grey of 16 bits is scaled. Refused are grey of 32 bits
    and files of several pictures.
    name: what an error message calls the file.
    """
    with opened_image(data, name) as image:
        if image.mode in ("F", "I"):
            kind = "floating-point numbers" if image.mode == "F" else "32-bit numbers"
            raise ImageError(f"{name}: holds {kind}, whose white no rule tells; save it with 8 or 16 bits")
        _refuse_many(image, name)
        try:
            # TIFF 6.0, section 8: 0 is white where PhotometricInterpretation is 0; Pillow knows it for 8 bits only.
            inverted = image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
            profile = image.info.get("icc_profile")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                # Pillow clips these to 8 bits; a photograph's 16-bit range is scaled instead.
                values = np.asarray(upright, dtype=np.float64)
                peak = 65_535.0 if values.max(initial=0) > 255 or inverted else 255.0
                grey = np.clip(np.rint(values * (255.0 / peak)), 0, 255).astype(np.uint8)
                return np.repeat((255 - grey if inverted else grey)[..., None], 3, axis=2)
            if upright.has_transparency_data:
                layered = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
            return np.array(_srgb(upright, profile, name))
        except (ValueError, OSError, MemoryError) as error:
            raise ImageError(f"{name}: not a readable image ({first_line(error)})") from None


def _refuse_many(image: Image.Image, name: str) -> None:
    """Refuse animations and files of many pages. A telephone's MPO holds one photograph and what belongs to it."""
    try:
        n_frames = getattr(image, "n_frames", 1)
    except Exception as error:  # a plugin's own, on damaged pages
        raise ImageError(f"{name}: not a readable image ({first_line(error)})") from error
    if n_frames > 1 and image.format != "MPO":
        raise ImageError(
            f"{name}: holds {n_frames} pictures, and no rule tells which one is meant; save one of them"
        )


def _srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Return *image* in sRGB, by its colour *profile* (ICC.1), relative colorimetric; without one it is sRGB."""
    plain = image if image.mode in ("L", "CMYK") else image.convert("RGB")
    if not profile:
        return plain.convert("RGB")
    try:
        held = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in (held.profile.profile_description or "").lower():
            return plain.convert("RGB")
        converted = ImageCms.profileToProfile(
            plain,
            held,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError) as error:
        warnings.warn(
            f"{name}: its colour profile is not usable ({first_line(error)}), taken as sRGB", stacklevel=3
        )
        return plain.convert("RGB")
    assert converted is not None  # only in-place conversion returns none
    return converted


def read_image(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Return the RGB pixels [H, W, 3] of the file at *path*, and its bytes."""
    data = read_bytes(path)
    return rgb_of_bytes(data, str(path)), data


def read_bytes(path: Path) -> bytes:
    """Return the bytes of the file at *path*; an unreadable file is the user's error."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from None


def orientation(data: bytes) -> int:
    """Return the EXIF orientation of an image file: 1 upright, 2 to 8 turned or mirrored."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged tag turns nothing, here as in Pillow's transposition
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def opened_image(data: bytes, name: str) -> Image.Image:
    """Return the image in *data*, decoded, within the stated limits of size."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow's own bomb warning; the limit below is the one that holds
            image = Image.open(io.BytesIO(data))
            width_px, height_px = image.size
            if max(image.size) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
                raise ImageError(
                    f"{name}: {width_px}x{height_px} is too large; "
                    f"allowed are sides up to {MAX_SIDE_PX} and {MAX_PIXELS} pixels"
                )
            image.load()
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds on a damaged file
        # Pillow would name a buffer in memory, which says nothing to the user.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "of no known format" if unknown else first_line(error)
        raise ImageError(f"{name}: not a readable image ({reason})") from None
    return image
