"""Dates that no calendar has are one clear line, wherever they are written."""

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.scenario.load import read_yaml
from ntnsim.scenario.override import parse_override


@pytest.mark.parametrize("date", ["2026-02-30T09:00:00Z", "2026-13-01", "2026-06-01T25:00:00Z", "2026-04-31"])
def test_impossible_dates_are_refused_with_line_and_value(tmp_path, date):
    path = tmp_path / "x.yaml"
    path.write_text(f"name: x\nsources:\n  - {{name: 2026-01-01}}\nstart_utc: {date}\n")
    with pytest.raises(ScenarioError, match=rf"x\.yaml:4: {date}: "):
        read_yaml(path)
    with pytest.raises(ScenarioError, match=f"--set start_utc={date}: "):
        parse_override(f"start_utc={date}")
