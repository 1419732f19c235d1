"""Pictures that a run keeps: ``DIR/images/*.png`` and ``DIR/images/index.csv``, one line per picture triple.

Each line names the scheme and job, the three PNG files (original, received, reconstruction; relative to ``images/``),
the fidelity per rank, the savings and the configuration. A file that several lines share (the original, which every
scheme sends) is stored once. An empty field means "does not exist": a whole-image codec receives no partial picture.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from PIL import Image

from ntnsim.arrays import UInt8Image
from ntnsim.errors import InputError
from ntnsim.results.atomic import write_bytes, write_text
from ntnsim.results.files import IMAGES, IMAGES_INDEX
from ntnsim.results.seal import check_file

COLUMNS = (
    "scheme",
    "job",
    "image",
    "original",
    "received",
    "reconstruction",
    "transmitted_bits",
    "original_bits",
    "savings",
    "pf",
    "sf",
    "pf_rank",
    "sf_rank",
    "configuration",
)


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One image on its way: file names relative to the run's ``images/`` and what was measured.

    pf_rank, sf_rank: one entry per rank, lowest rank first; None where the rank is empty or was not scored.
    configuration: named entries of x, in order.
    """

    scheme: str
    job: str
    image: str
    original: str
    received: str
    reconstruction: str
    transmitted_bits: int
    original_bits: int
    savings: float
    pf: float | None = None
    sf: float | None = None
    pf_rank: tuple[float | None, ...] = ()
    sf_rank: tuple[float | None, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)


class GalleryWriter:
    """Collects pictures of a run under ``DIR/images``; :meth:`close` writes the index."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.entries: list[GalleryEntry] = []

    def add(
        self,
        *,
        scheme: str,
        job: str,
        image: str,
        original: UInt8Image,
        received: UInt8Image | None,
        reconstruction: UInt8Image,
        transmitted_bits: int,
        original_bits: int,
        pf: float | None = None,
        sf: float | None = None,
        pf_rank: Sequence[float | None] = (),
        sf_rank: Sequence[float | None] = (),
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        """Store the pictures (each uint8 [H, W, 3]) of one image of one scheme."""
        entry = GalleryEntry(
            scheme=scheme,
            job=job,
            image=image,
            original=self._store(original, "original"),
            received="" if received is None else self._store(received, f"{scheme}-received"),
            reconstruction=self._store(reconstruction, f"{scheme}-reconstruction"),
            transmitted_bits=transmitted_bits,
            original_bits=original_bits,
            savings=1 - transmitted_bits / original_bits,
            pf=pf,
            sf=sf,
            pf_rank=tuple(pf_rank),
            sf_rank=tuple(sf_rank),
            configuration=dict(configuration or {}),
        )
        self.entries.append(entry)

    def close(self) -> None:
        """Write the index, in order of job, then scheme."""
        write_index(self._directory, self.entries)

    def _store(self, pixels: UInt8Image, role: str) -> str:
        """Write *pixels* as a PNG named after its content; return the name."""
        digest = blake2b(pixels.tobytes() + repr(pixels.shape).encode(), digest_size=6).hexdigest()
        name = f"{_safe(role)}-{digest}.png"
        path = self._directory / IMAGES / name
        if not path.exists():
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, format="PNG")
            write_bytes(path, encoded.getvalue())
        return name


def write_index(directory: Path, entries: Sequence[GalleryEntry]) -> None:
    """Write ``DIR/images/index.csv``, in order of job, then scheme."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in sorted(entries, key=lambda entry: (entry.job, entry.scheme)):
        values = {name: getattr(entry, name) for name in COLUMNS}
        for name in ("pf_rank", "sf_rank"):
            values[name] = " ".join("-" if v is None else repr(float(v)) for v in values[name])
        values["configuration"] = json.dumps(dict(entry.configuration))
        writer.writerow(["" if values[name] is None else values[name] for name in COLUMNS])
    write_text(directory / IMAGES_INDEX, text.getvalue())


def read_index(directory: Path) -> list[GalleryEntry]:
    """Return the pictures that the run in *directory* kept; none when it kept none."""
    path = directory / IMAGES_INDEX
    check_file(directory, IMAGES_INDEX)
    if not path.exists():
        return []
    entries = []
    with path.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}: lacks the columns {', '.join(missing)}")
        for line in reader:
            try:
                entries.append(_entry(line))
            except (ValueError, TypeError) as error:
                raise InputError(f"{path}:{reader.line_num}: {error}") from None
    return entries


def _entry(line: Mapping[str, str]) -> GalleryEntry:
    def number(text: str) -> float | None:
        return None if text in ("", "-") else float(text)

    return GalleryEntry(
        scheme=line["scheme"],
        job=line["job"],
        image=line["image"],
        original=line["original"],
        received=line["received"],
        reconstruction=line["reconstruction"],
        transmitted_bits=int(line["transmitted_bits"]),
        original_bits=int(line["original_bits"]),
        savings=float(line["savings"]),
        pf=number(line["pf"]),
        sf=number(line["sf"]),
        pf_rank=tuple(number(value) for value in line["pf_rank"].split()),
        sf_rank=tuple(number(value) for value in line["sf_rank"].split()),
        configuration=json.loads(line["configuration"] or "{}"),
    )


def _safe(name: str) -> str:
    """Return *name* with only characters that every file system takes."""
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in name)
