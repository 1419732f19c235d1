"""Step functions as a scenario writes them, times beside values: what makes them usable."""

from itertools import pairwise


def check_steps(times_s: tuple[float, ...], values: tuple[float, ...], name: str) -> None:
    """Refuse a step function whose times do not increase or do not match its values."""
    if len(values) != len(times_s):
        raise ValueError(f"{name} must have as many entries as times_s ({len(times_s)}), got {len(values)}")
    for earlier, later in pairwise(times_s):
        if not later > earlier:
            raise ValueError(f"times_s must increase, got {earlier!r} before {later!r}")


def check_recorded_rate(times_s: tuple[float, ...], bps: tuple[float, ...], period_s: float | None) -> None:
    """Refuse a recorded rate that does not begin at 0 s, or whose period ends before its last step."""
    check_steps(times_s, bps, "bps")
    if times_s[0] != 0:
        raise ValueError(f"times_s must start at 0, got {times_s[0]!r}")
    if period_s is not None and period_s <= times_s[-1]:
        raise ValueError(f"period_s must be > the last of times_s = {times_s[-1]!r}, got {period_s!r}")
