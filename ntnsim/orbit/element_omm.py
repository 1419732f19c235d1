"""CCSDS Orbit Mean-Elements Messages as XML, JSON, CSV or "KEY = value", checked field by field."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sgp4 import omm
from sgp4.api import Satrec

from ntnsim.csv_rows import read_rows
from ntnsim.errors import first_line, on_one_line
from ntnsim.orbit.element_fields import (
    NUMBERS,
    ElementSetError,
    check_frame,
    check_theory,
    checked_epoch,
    checked_number,
)
from ntnsim.orbit.element_tle import NamedRecord

OMM_OPTIONAL = {  # CCSDS 502.0-B lets a message leave these out; none of them moves a satellite in SGP4
    "CLASSIFICATION_TYPE": "U",
    "OBJECT_ID": "",
    "EPHEMERIS_TYPE": 0,
    "ELEMENT_SET_NO": 0,
    "REV_AT_EPOCH": 0,
    "MEAN_MOTION_DOT": 0,
    "MEAN_MOTION_DDOT": 0,
}
REQUIRED = [field for field in ("EPOCH", *NUMBERS) if field not in OMM_OPTIONAL]
LARGEST_ALPHA_5 = 339_999  # catalogue numbers beyond it fit no TLE; OMM holds them
Message = tuple[str, dict[str, Any]]  # where it stands, and its fields


def omm_records(
    text: str, path: Path, file_format: str, start: tuple[float, float]
) -> Iterator[NamedRecord | ElementSetError]:
    """Yield each message's satellite, or what is wrong with it. start: Julian date that a decay is judged at."""
    for where, fields in _messages(text, path, file_format):
        try:
            yield _record(fields, start)
        except ElementSetError as error:
            yield ElementSetError(f"{where}: {error}")


def _record(row: dict[str, Any], start: tuple[float, float]) -> NamedRecord:
    known = {name: value for name, value in row.items() if value not in (None, "")}
    for field in REQUIRED:
        if field not in known:
            raise ElementSetError(f"not a complete OMM: lacks {field}")
    check_frame(known)
    fields = {**OMM_OPTIONAL, **known, "EPOCH": checked_epoch(str(known["EPOCH"]))}
    fields.update({name: checked_number(name, fields[name]) for name in NUMBERS})
    check_theory(fields["EPHEMERIS_TYPE"])
    catalogue = int(fields["NORAD_CAT_ID"])
    # SGP4 does not use the number, and its reader takes none that no TLE could hold.
    fields["NORAD_CAT_ID"] = catalogue if catalogue <= LARGEST_ALPHA_5 else 0
    record = Satrec()
    try:
        omm.initialize(record, fields)
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise ElementSetError(f"not a complete OMM: {first_line(error)}") from error
    name = on_one_line(" ".join(str(known.get("OBJECT_NAME") or catalogue).split()), 80)
    if decay := str(known.get("DECAY_DATE") or ""):
        _check_flies(decay, sum(start), name)
    return NamedRecord(name, catalogue, record)


def _check_flies(decay: str, start_jd: float, name: str) -> None:
    try:
        day = datetime.strptime(decay.strip()[:10], "%Y-%m-%d")
    except ValueError:
        raise ElementSetError(f"DECAY_DATE is {decay[:40]!r}, not a date such as 2026-01-31") from None
    if day.toordinal() + 1_721_424.5 <= start_jd:
        raise ElementSetError(f"{name} has decayed: DECAY_DATE is {decay.strip()[:10]}, before the start")


def _messages(text: str, path: Path, file_format: str) -> Iterator[Message]:
    try:
        if file_format == "omm-json":
            loaded = json.loads(text)
            for number, row in enumerate(loaded if isinstance(loaded, list) else [loaded], 1):
                if not isinstance(row, dict):
                    raise ElementSetError(f"{path}: record {number} is {str(row)[:40]!r}, not an object")
                yield f"{path}: record {number}", row
        elif file_format == "omm-csv":
            for line in read_rows(path, kind=ElementSetError)[1]:
                yield f"{path}:{line.line}", dict(line.values)
        elif file_format == "omm-kvn":
            yield from _kvn_messages(text, path)
        else:
            if "<!DOCTYPE" in text or "<!ENTITY" in text:
                raise ElementSetError(f"{path}: declares a document type; element sets have none")
            segments = (
                node
                for node in ElementTree.fromstring(text).iter()
                if node.tag.rpartition("}")[2] == "segment"
            )
            for number, segment in enumerate(segments, 1):
                yield (
                    f"{path}: record {number}",
                    {item.tag.rpartition("}")[2]: item.text.strip() for item in segment.iter() if item.text},
                )
    except (ValueError, RecursionError, ElementTree.ParseError) as error:
        raise ElementSetError(f"{path}: not valid {file_format}: {first_line(error)}") from error


def _kvn_messages(text: str, path: Path) -> Iterator[Message]:
    """Yield each message in "KEY = value" notation: it begins with its version, or with a key that the last one has."""
    message: dict[str, str] = {}
    begin = 1
    for number, line in enumerate(text.split("\n"), 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or key.startswith("COMMENT"):
            continue
        if not equals:
            raise ElementSetError(f"{path}:{number}: not KEY = value: {line.strip()[:60]!r}")
        if message and (key == "CCSDS_OMM_VERS" or key in message):
            yield f"{path}:{begin}", message
            message = {}
        if not message:
            begin = number
        # Units may follow a number in brackets; in a name, brackets are the name's.
        message[key] = value.partition("[")[0].strip() if key in NUMBERS else value
    if message:
        yield f"{path}:{begin}", message
