"""What a fault's target means."""

import pytest

from ntnsim.scenario.fault_target import means


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [
        ("STARLINK-11072 [DTC]", "STARLINK-11072 [DTC]", True),
        ("*[DTC]", "STARLINK-11072 [DTC]", True),
        ("*[DTC]", "STARLINK-1107D", False),
        ("sat-1-*", "sat-1-7", True),
        ("sat-?", "sat-12", False),
        ("*", "", True),
    ],
)
def test_star_and_question_mark_are_the_only_wildcards(target, name, expected):
    assert means(target, name) is expected
