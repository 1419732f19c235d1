"""What the world asks of the sky of an image that a satellite holds: where next, when, and how long it takes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

GROUND = -1  # in place of a satellite's number: the data network, through whichever station is in view


class Hop(NamedTuple):
    """One hop of a plan: to which satellite, or GROUND, and from when on."""

    to: int
    not_before_s: float


class Waiting(NamedTuple):
    """What a route that sees backlog counts beside propagation.

    link_s, feeder_s: the image's own time on an inter-satellite and on a feeder link. behind_s: what waits at links,
    (from, to), in seconds.
    """

    link_s: float
    feeder_s: float
    behind_s: Mapping[tuple[int, int], float]


class WayDown(Protocol):
    """The time-varying graph of satellites and ground stations. Satellites are known by number, 0 to n − 1."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the satellites [n]."""
        ...

    @property
    def linked(self) -> bool:
        """Whether satellites pass images to each other; otherwise each waits for a station of its own."""
        ...

    def plan(self, satellite: int, time_s: float, waiting: Waiting | None = None) -> tuple[Hop, ...]:
        """Return the hops that bring an image to the ground earliest; () if nothing is known to do so."""
        ...

    def hop_s(self, satellite: int, to: int, time_s: float) -> float:
        """Return how long a bit that leaves at *time_s* takes to *to*, processing there included."""
        ...

    def station(self, satellite: int, time_s: float) -> str:
        """Return the ground station that receives *satellite* at *time_s*."""
        ...

    def up_steps(self, satellite: int, to: int) -> Iterator[tuple[float, float]]:
        """Yield (time_s, 1 or 0): from when on the link is up or down, from 0 s without end; values may repeat."""
        ...
