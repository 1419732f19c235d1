"""Damaged files of every kind that a user brings: each must be read, or be refused as the command line would, by lines.

Run: python benchmarks/fuzz.py [--streams 20000] [--scenarios 3000] [--bundles 100] [--others 2000] [--seed 1]
                               [--only KIND …]

Mutants of sound files, bytes and words changed at random, go through the command line (streams: decode, inspect and
decode --partial; scenarios: validate; bundles: models check) or, where many commands would read them, through their
reader; all in this process. Exit code 0, or 2 with short lines and no traceback, is right; so is an InputError of a
reader, which the command line makes of it. Prints one line per kind and writes benchmarks/fuzz.json: mutants, how many
were read, refused and wrong, CPU seconds of the slowest, the peak memory (for bundles also that of a sound one: most is
libraries). tests/fuzz runs a few of each; bombs made by hand are in tests/spiff/test_spiff_bombs.py, each in a process
of its own.
"""

import argparse
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import ntnsim
from ntnsim.chance.traffic import read_trace
from ntnsim.cli import main as main_of_command_line
from ntnsim.datasets.aerial import AerialDataset
from ntnsim.datasets.coco_stuff import CocoStuffDataset
from ntnsim.datasets.files import read_class_map
from ntnsim.datasets.image_file import read_image
from ntnsim.datasets.mask_file import read_mask
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.errors import InputError
from ntnsim.networks.bundle import open_bundle, write_manifest
from ntnsim.orbit.element_sets import read_element_sets
from ntnsim.scenario.track import TrackSpec
from ntnsim.spiff.bitstream import read_stream, write_stream

ROOT = Path(__file__).parent.parent
MOST_S, MOST_BYTES, MOST_LINES, LONGEST_LINE = 10.0, 1_000_000_000, 21, 600
START = (2_456_679.5, 0.0)  # Julian date of the elements below
HOSTILE = (
    "-1", "0", "nan", ".inf", "1e999", "9" * 5_000, "N/A", "null", "[]", "{}", "true", "'", '"', "../../x",
    "2026-02-30",
    "\u00a0", "\u00b2", "\0", "\ufeff", "1,5", ";", "\t", "&a [*a]", "*b", "!!python/name:os.system", "[" * 3_000,
    "{a: " * 3_000, "0x" + "f" * 9_000, "\r", "- ", ": ", "# ", "\ud7ff", "\U0001f6f0", "[/]", "%s", "1e9", "1_0", "~",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 10**40, 1e308, float("nan"), float("inf"), "", "x" * 5_000, "1,5", "\0", "../../x",
    "\ud800",
    [], {}, [[]], [1, 2, 3], {"counts": []}, [[0, 0, 1e300, 0, 1, 1]], {"size": [12, 16], "counts": "0" * 99},
)  # fmt: skip
TLE = (
    "ISS (ZARYA)\n"
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
)
OMM = {
    "OBJECT_NAME": "ISS (ZARYA)", "EPOCH": "2014-01-20T22:23:04.000416", "MEAN_MOTION": 15.4981535,
    "ECCENTRICITY": 0.0003572, "INCLINATION": 51.6498, "RA_OF_ASC_NODE": 109.4756, "ARG_OF_PERICENTER": 55.9686,
    "MEAN_ANOMALY": 274.8005, "NORAD_CAT_ID": 25544, "BSTAR": 0.000182, "CENTER_NAME": "EARTH", "TIME_SYSTEM": "UTC",
    "DECAY_DATE": "",
}  # fmt: skip
COCO = {
    "images": [{"id": 7, "file_name": "7.jpg", "height": 12, "width": 16}],
    "categories": [{"id": 1, "name": "person"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "area": 96, "segmentation": [[0, 0, 8, 0, 8, 12, 0, 12]]},
        {
            "id": 2,
            "image_id": 7,
            "category_id": 1,
            "area": 9,
            "segmentation": {"size": [12, 16], "counts": [99, 93]},
        },
    ],
}


class Kind(NamedTuple):
    """Files of one kind: name and bytes of sound ones, and what reads such a file.

    deep: mutants that get past the first gate, for kinds that bytes alone seldom do.
    """

    seeds: list[tuple[str, bytes]]
    read: Callable[[Path], object]
    deep: "Callable[[str, bytes, random.Random], bytes] | None" = None


class WrongEndError(Exception):
    """A command ended in another way than with 0, or with 2 and lines on stderr."""


def command(*arguments: object) -> None:
    """Run ``ntnsim ARGUMENTS`` in this process; raise InputError with its lines where it refuses."""
    said, given = io.StringIO(), sys.argv
    sys.argv = ["ntnsim", *map(str, arguments)]
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            main_of_command_line()
    except SystemExit as end:
        lines = [line for line in said.getvalue().splitlines() if not line.startswith("ntnsim: warning: ")]
        if end.code == 2 and lines and all(line.startswith("ntnsim: ") for line in lines):
            raise InputError("\n".join(line.removeprefix("ntnsim: ") for line in lines)) from None
        if end.code != 0:
            raise WrongEndError(f"exit code {end.code}: {said.getvalue()[-600:]}") from None
    finally:
        sys.argv = given


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return *image* as a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def kinds(directory: Path) -> dict[str, Kind]:
    """Return every kind, with the files that its readers need beside the mutant in *directory*."""
    rng = np.random.default_rng(1)
    grey = Image.fromarray(rng.integers(0, 3, (12, 16), dtype=np.uint8))
    colours = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    (directory / "images").mkdir(parents=True, exist_ok=True)
    (directory / "masks").mkdir(exist_ok=True)
    (directory / "images/7.jpg").write_bytes(encoded(colours, "JPEG"))
    (directory / "masks/7.png").write_bytes(encoded(grey, "PNG"))

    def orbits(path: Path) -> None:
        read_element_sets(path, START).positions_m(np.array([0.0, 3_600.0]))

    def mask(path: Path) -> None:
        readers: list[Callable[[], object]] = [lambda: read_class_map(path), lambda: read_image(path)]
        readers += [
            partial(read_mask, path, (12, 16), kind) for kind in ("nonzero", "index", "palette", "alpha")
        ]
        refused = []
        for reader in readers:
            try:
                reader()
            except InputError as error:
                refused.append(error)
        if len(refused) == len(readers):
            raise max(refused, key=lambda error: len(str(error)))

    def table(path: Path) -> None:
        if path.name == "trace.csv":
            read_trace(path)
        elif path.name == "track.csv":
            TrackSpec.model_validate({"path": str(path)}).points()
        elif path.name == "index.csv":
            PersonsDataset(directory, "all")
        else:
            AerialDataset(directory).image(0)

    def manifest(path: Path) -> None:
        bundle = open_bundle(path.parent)
        bundle.missing()

    as_xml = "".join(f"<{key}>{value}</{key}>" for key, value in OMM.items())
    omm = [
        ("x.json", json.dumps([OMM]).encode()),
        ("x.csv", (",".join(OMM) + "\n" + ",".join(map(str, OMM.values())) + "\n").encode()),
        ("x.kvn", ("CCSDS_OMM_VERS = 2.0\n" + "".join(f"{key} = {value}\n" for key, value in OMM.items())).encode()),
        ("x.xml", f"<ndm><segment>{as_xml}</segment></ndm>".encode()),
    ]  # fmt: skip
    tables = {
        "trace.csv": "time_s,image\n0.5,3\n1.5,0\n",
        "track.csv": "time_s,latitude_deg,longitude_deg\n0,44.0,8.9\n3600,43.7,9.5\n",
        "index.csv": "file,split,dataset,person_fraction\na.jpg,val,COCO,0.3\n",
        "classes.csv": "index,name\n0,road\n1,roof\n2,tree\n",
    }
    streams = []
    photograph = np.array(Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((64, 48)))
    person = np.zeros((48, 64), bool)
    person[16:32, 16:40] = True
    for codec, options in (
        ("spiff", {"p": 0.5, "q": 0.4}),
        ("spiff", {"beta": 0.3}),
        ("spiff", {"q": 0.3, "restore_crop": True}),
        ("spiff-paper", {"p": 0.25}),
        ("avif", {}),
        ("jpeg", {}),
    ):
        encoded_stream = ntnsim.encode(photograph, codec=codec, mask=person, **options)
        streams.append(("s.spiff", encoded_stream.payload))
    out = directory / "out.png"
    ways = cycle(
        (
            lambda path: command("decode", path, "-o", out, "--inpaint", "nearest"),
            lambda path: command("inspect", path),
            lambda path: command("decode", path, "-o", out, "--inpaint", "telea", "--partial"),
        )
    )

    def stream(path: Path) -> None:
        out.unlink(missing_ok=True)
        next(ways)(path)

    scenarios = [(path.name, path.read_bytes()) for path in sorted((ROOT / "scenarios").glob("*.yaml"))]
    masks = [
        ("m.png", encoded(grey, "PNG")),
        ("m.png", encoded(colours.quantize(8), "PNG")),
        ("m.png", encoded(colours.convert("RGBA"), "PNG")),
        ("m.tif", encoded(grey.convert("I;16"), "TIFF")),
        ("m.bmp", encoded(colours, "BMP")),
        ("m.jpg", encoded(colours, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")),
        ("m.webp", encoded(colours, "WEBP")),
        ("m.avif", encoded(colours, "AVIF")),
    ]
    return {
        "streams": Kind(streams, stream, deep_stream),
        "scenarios": Kind(scenarios, lambda path: command("validate", path, "--no-files")),
        "element sets": Kind([("x.tle", TLE.encode()), *omm], orbits),
        "masks": Kind(masks, mask),
        "CSV files": Kind([(name, text.encode()) for name, text in tables.items()], table),
        "annotations": Kind(
            [("coco.json", json.dumps(COCO).encode())],
            lambda path: CocoStuffDataset(directory / "images", annotations=path).image(0),
        ),
        "manifests": Kind([("manifest.json", (ROOT / "models/tiny/manifest.json").read_bytes())], manifest),
    }


def mutant(data: bytes, rng: random.Random) -> bytes:
    """Return *data* with one to four changes: bytes flipped, cut, doubled, or words replaced by hostile ones."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        length = rng.randint(1, 40)
        match rng.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length] * rng.choice((1, 1, 1, 200))
            case 3:
                changed[at:at] = rng.choice(HOSTILE).encode()
            case 4 if rng.random() < 0.2:
                del changed[at:]
            case _:  # a value is replaced whole: from a separator to the next
                text = bytes(changed)
                begins = [place for place, byte in enumerate(text) if byte in b" :,=\n["]
                if begins:
                    begin = rng.choice(begins) + 1
                    end = next((place for place in begins if place >= begin), len(text))
                    changed[begin:end] = rng.choice(HOSTILE).encode()
    return bytes(changed)


def deep_mutant(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a mutant that gets past the first gate: JSON with one value replaced, a TLE whose checksums hold."""
    if name.endswith(".json"):
        held = json.loads(data)
        node: Any = held
        while True:
            key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.2:
                break
            node = node[key]
        node[key] = rng.choice(VALUES)
        return json.dumps(held).encode()
    lines = mutant(data, rng).decode("utf-8", "replace").split("\n")
    for place, line in enumerate(lines):
        if line[:2] in ("1 ", "2 ") and len(line) >= 68:
            total = sum(int(char) if char in "0123456789" else char == "-" for char in line[:68])
            lines[place] = f"{line[:68]}{total % 10}"
    return "\n".join(lines).encode()


def deep_stream(_name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a stream whose checksums hold, with one part's payload damaged, doubled or left out, or another frame."""
    try:
        held = read_stream(data)
    except InputError:
        return mutant(data, rng)
    parts = list(held.parts)
    place = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            del parts[place]
        case 1:
            parts.insert(rng.randrange(len(parts)), parts[place])
        case _:
            parts[place] = replace(parts[place], payload=mutant(parts[place].payload, rng))
    frame = held.frame
    if rng.random() < 0.3:
        key = rng.choice(("width_px", "height_px", "n_ranks", "tile_px"))
        frame = replace(frame, **{key: rng.choice((1, 2, 3, 16, 63, 65, 250, 4096))})
    try:
        return write_stream(frame, parts)
    except (ValueError, OverflowError):  # our own writer would not
        return mutant(data, rng)


def judged(read: Callable[[Path], object], path: Path) -> tuple[str, float, str]:
    """Return "read", "refused" or "wrong", the CPU seconds that it took, and what was wrong."""
    begin_s = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
        verdict, reason = "read", ""
    except InputError as error:
        lines = str(error).splitlines()
        short = 0 < len(lines) <= MOST_LINES and max(map(len, lines)) <= LONGEST_LINE
        printable = str(error).isprintable() or all(line.isprintable() for line in lines)
        verdict, reason = (
            ("refused", "") if short and printable else ("wrong", f"message: {str(error)[:300]!r}")
        )
    except Exception:
        verdict, reason = "wrong", traceback.format_exc(limit=-3)
    taken_s = time.process_time() - begin_s
    return (
        (verdict, taken_s, reason) if taken_s <= MOST_S else ("wrong", taken_s, f"took {taken_s:.1f} CPU-s")
    )


def campaign(name: str, kind: Kind, directory: Path, n: int, seed: int) -> dict[str, Any]:
    """Return the figures of *n* mutants, with up to five reasons of wrong ones."""
    rng = random.Random(f"{name} {seed}")
    counts = dict.fromkeys(("read", "refused", "wrong"), 0)
    slowest_s, reasons = 0.0, []
    for number in range(n):
        file_name, data = kind.seeds[number % len(kind.seeds)]
        path = directory / file_name
        deep = kind.deep or (deep_mutant if file_name.endswith((".json", ".tle")) else None)
        made = mutant(data, rng) if deep is None or rng.random() < 0.4 else deep(file_name, data, rng)
        path.write_bytes(made)
        verdict, taken_s, reason = judged(kind.read, path)
        counts[verdict] += 1
        slowest_s = max(slowest_s, taken_s)
        if reason and len(reasons) < 5:
            reasons.append(f"mutant {number}: {reason}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"mutants": n, **counts, "slowest_s": round(slowest_s, 3), "peak_bytes": peak, "reasons": reasons}


def hostile_bundles(directory: Path, n: int, seed: int) -> dict[str, Any]:
    """Return the figures of *n* copies of the tiny bundle, each with one file damaged; half of them sealed again."""
    rng = random.Random(f"bundles {seed}")
    counts = dict.fromkeys(("read", "refused", "wrong"), 0)
    slowest_s, reasons = 0.0, []
    command("models", "check", ROOT / "models/tiny")
    sound = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for number in range(n):
        copy = directory / "bundle"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ROOT / "models/tiny", copy)
        victim = rng.choice(sorted(path for path in copy.rglob("*") if path.is_file()))
        data = victim.read_bytes()
        if victim.suffix == ".json" and rng.random() < 0.8:
            victim.write_bytes(deep_mutant(victim.name, data, rng))
        else:  # the header of weights, where their names and sizes are, or anywhere
            head = data[: 4_000 if rng.random() < 0.7 else len(data)]
            victim.write_bytes(mutant(head, rng) + data[len(head) :])
        if rng.random() < 0.5 and victim.name != "manifest.json":
            bundle = open_bundle(copy)
            write_manifest(copy, "changed", list(bundle.members.values()))
        verdict, taken_s, reason = judged(lambda path: command("models", "check", path), copy)
        counts[verdict] += 1
        slowest_s = max(slowest_s, taken_s)
        if reason and len(reasons) < 5:
            reasons.append(f"mutant {number}, {victim.relative_to(copy)}: {reason}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    taken = {"slowest_s": round(slowest_s, 3), "peak_bytes": peak, "sound_bytes": sound}
    return {"mutants": n, **counts, **taken, "reasons": reasons}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=20_000)
    parser.add_argument("--scenarios", type=int, default=3_000)
    parser.add_argument("--bundles", type=int, default=100)
    parser.add_argument("--only", nargs="*", help="these kinds; the figures of the others stay")
    parser.add_argument("--others", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    written = Path(__file__).parent / "fuzz.json"
    figures = json.loads(written.read_text()) if arguments.only else {}
    numbers = {"streams": arguments.streams, "scenarios": arguments.scenarios}
    with tempfile.TemporaryDirectory() as name:
        for kind, files in kinds(Path(name)).items():
            if arguments.only and kind not in arguments.only:
                continue
            n = numbers.get(kind, arguments.others)
            figures[kind] = campaign(kind, files, Path(name), n, arguments.seed)
            print(kind, figures[kind], flush=True)
        if not arguments.only or "bundles" in arguments.only:
            figures["bundles"] = hostile_bundles(Path(name), arguments.bundles, arguments.seed)
            print("bundles", figures["bundles"], flush=True)
    held = all(
        not one["wrong"] and one["peak_bytes"] <= max(MOST_BYTES, 1.1 * one.get("sound_bytes", 0))
        for one in figures.values()
    )
    print("all held" if held else "NOT HELD")
    written.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
