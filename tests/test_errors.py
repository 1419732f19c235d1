"""What a library's error says, in one line."""

import pytest

from ntnsim.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("first\nsecond"), "first"),
        (ValueError("\n  indented\nmore"), "indented"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("padding side is \0"), r"padding side is \x00"),
        (ValueError(" \n"), "ValueError"),
    ],
)
def test_first_line_always_says_something(error, line):
    assert first_line(error) == line
