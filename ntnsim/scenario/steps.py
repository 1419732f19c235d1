"""Step functions as a scenario writes them, times beside values: what makes them usable."""

from itertools import pairwise
from typing import Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath


def check_steps(times_s: tuple[float, ...], values: tuple[float, ...], name: str) -> None:
    """Refuse a step function whose times do not increase or do not match its values."""
    if len(values) != len(times_s):
        raise ValueError(f"{name} must have as many entries as times_s ({len(times_s)}), got {len(values)}")
    for earlier, later in pairwise(times_s):
        if not later > earlier:
            raise ValueError(f"times_s must increase, got {earlier!r} before {later!r}")


class RecordedRate(Entity):
    """A rate as it was measured, written down or in a file."""

    times_s: tuple[NonNegativeFloat, ...] | None = Field(default=None, min_length=1)
    """From when on each rate holds, in order; the first is 0."""
    bps: tuple[NonNegativeFloat, ...] | None = Field(default=None, min_length=1)
    """Rates in bits per second; 0 is no contact."""
    path: ScenarioPath | None = None
    """CSV file in place of both, with the columns time_s and bps, relative to the scenario file."""
    period_s: PositiveFloat | None = None
    """After it the rates begin again; without it the last one holds for ever."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        written = (self.times_s is not None, self.bps is not None)
        if written != ((self.path is None),) * 2:
            raise ValueError("give either times_s and bps, or path")
        if self.times_s is not None and self.bps is not None:
            self.check(self.times_s, self.bps)
        return self

    def check(self, times_s: tuple[float, ...], bps: tuple[float, ...]) -> None:
        """Raise ValueError where *bps* from *times_s* on is no rate for this link."""
        check_steps(times_s, bps, "bps")
        if times_s[0] != 0:
            raise ValueError(f"times_s must start at 0, got {times_s[0]!r}")
        if self.period_s is not None and self.period_s <= times_s[-1]:
            raise ValueError(
                f"period_s must be > the last of times_s = {times_s[-1]!r}, got {self.period_s!r}"
            )
