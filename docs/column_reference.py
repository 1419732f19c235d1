"""Writes docs/columns.md, the dictionary of the records' columns, from the list that makes them.

    python docs/column_reference.py

A test checks that the committed page is what this script writes.
"""

from pathlib import Path

from ntnsim.results.dictionary import columns, table

PAGE = Path(__file__).with_name("columns.md")
HEADING = """# Columns of the records

Made from the types by `python docs/column_reference.py`; `ntnsim columns` prints the same, and `ntnsim columns DIR` the
columns of a run. One row per image and scheme. Times are seconds of simulated time from the start. What does not exist
for an image (the delivery time of one that was dropped, a score nobody computed) is nan in a real column, null in an
integer one, empty in a text. Columns that end in a rank are there once per rank, from the lowest, 0.
"""


def reference() -> str:
    """Return the page."""
    return f"{HEADING}\n{table(columns())}"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
