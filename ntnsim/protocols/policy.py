"""The one protocol in which policies and the world meet: choose a configuration, learn from what came of it.

This module imports neither torch nor the world, so that a new policy needs to know nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.network_state import NetworkState


class Trial(NamedTuple):
    """What came of a trial encoding that the gateway made, decoded and judged itself, before it decides.

    pf, sf: per rank, lowest first, without the data network's restoration.
    """

    configuration: Configuration
    size_bits: int
    pf: tuple[float, ...]
    sf: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ImageState:
    """What the gateway knows of an image after segmentation: the paper's state s, and the source's size.

    rank_fractions: share of the pixels in each relevance rank, lowest rank first; sums to one.
    source_bits: size of the file as captured.
    age_s: time from capture to this decision, as the gateway knows it; no part of the image's identity.
    trials: none where the codec makes none.

    >>> import ntnsim
    >>> image = ntnsim.ImageState(rank_fractions=(0.8, 0.2), source_bits=800_000, width_px=640, height_px=480)
    >>> image.rank_fractions[-1]  # the share of the top rank
    0.2
    """

    rank_fractions: tuple[float, ...]
    source_bits: int
    width_px: int
    height_px: int
    age_s: float = field(default=0.0, compare=False)
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the application asks of each image (paper Sec. V): the deadline, the fidelity targets and their weights.

    deadline_s: d_max, in seconds from capture. lambda_delay: λ of the delay's excess, in deadlines.
    pf_min, sf_min, lambda_pf, lambda_sf: one entry per rank, lowest rank first; targets in [0, 1].

    >>> import ntnsim
    >>> ntnsim.Requirement(30.0, pf_min=(0.4, 0.8), sf_min=(0.8, 0.9), lambda_pf=(1, 10), lambda_sf=(1, 10)).deadline_s
    30.0
    """

    deadline_s: float
    pf_min: tuple[float, ...]
    sf_min: tuple[float, ...]
    lambda_pf: tuple[float, ...]
    lambda_sf: tuple[float, ...]
    lambda_delay: float = 10.0


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer. ``configuration is None`` rejects the image, and *reason* says why.

    *reason* may also tell how an accepted configuration came about (the guard's "shrunk …"); empty otherwise.

    >>> import ntnsim
    >>> ntnsim.Decision(None, "backlog too long").configuration is None
    True
    """

    configuration: Configuration | None
    reason: str = ""


# Made for every delivered image: a named tuple costs a fifth of a frozen dataclass.
class DeliveredImage(NamedTuple):
    """What came of one decision, as fed back to the policy that made it.

    image, network, requirement, configuration: as when it was decided. size_bits: what was sent. pf, sf: per rank,
    lowest first, each in [0, 1]. delay_s: from capture to delivery.

    >>> import ntnsim
    >>> class Counts(ntnsim.Policy):
    ...     late = 0
    ...     def choose(self, image, network, requirement):
    ...         return ntnsim.Decision(ntnsim.Configuration(0.0, (0.5,)))
    ...     def learn(self, delivered):
    ...         self.late += delivered.delay_s > delivered.requirement.deadline_s
    >>> ntnsim.DeliveredImage._fields[-4:]
    ('size_bits', 'pf', 'sf', 'delay_s')
    """

    image: ImageState
    network: NetworkState
    requirement: Requirement
    configuration: Configuration
    size_bits: int
    pf: tuple[float, ...]  # per rank; nan where not scored
    sf: tuple[float, ...]
    delay_s: float


class LostImage(NamedTuple):
    """What is known of an image that was decided about and will never arrive, as fed back to its policy.

    image, network, requirement, configuration: as when it was decided. size_bits: what was to be sent. reason: why
    it was dropped, as ``reason`` of its record says it.

    >>> import ntnsim
    >>> class Remembers(ntnsim.Policy):
    ...     reasons = []
    ...     def choose(self, image, network, requirement):
    ...         return ntnsim.Decision(ntnsim.Configuration(0.0, (0.5,)))
    ...     def lose(self, lost):
    ...         self.reasons.append(lost.reason)
    >>> ntnsim.LostImage._fields[-2:]
    ('size_bits', 'reason')
    """

    image: ImageState
    network: NetworkState
    requirement: Requirement
    configuration: Configuration
    size_bits: int
    reason: str


class Policy(Protocol):
    """Chooses x for each image, and may learn from delivered ones.

    A subclass needs :meth:`choose` alone; what else stands here is what a policy without memory answers.

    >>> import ntnsim
    >>> class Half(ntnsim.Policy):
    ...     def choose(self, image, network, requirement):
    ...         return ntnsim.Decision(ntnsim.Configuration(0.0, (0.5,)))
    >>> own = "schemes=[{name: s, codec: {kind: sizes, size_bits: 8.0e+5}, policy: {kind: custom, name: half}}]"
    >>> few = [own, "horizon.n_jobs=3"]
    >>> run = ntnsim.run("scenarios/quickstart.yaml", overrides=few, policies={"half": Half})
    >>> set(run.records["x_patch_fraction_0"])
    {0.5}
    """

    @property
    def learns(self) -> bool:
        """Whether :meth:`learn` needs the fidelity of delivered images (the world scores them only then).

        Delays and sizes are fed back in any case: ``learn`` is called for every delivered image, with ``nan``
        in pf and sf where nothing was scored.
        """
        return False

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the configuration for *image*, or a rejection."""
        ...

    def learn(self, delivered: DeliveredImage) -> None:
        """Take in the outcome of an earlier decision; called once per delivered image, in order of delivery."""
        return

    def lose(self, lost: LostImage) -> None:
        """Take in that an image of an earlier decision was dropped on its way; a rejected one was never sent."""
        return

    def diagnostics(self) -> Mapping[str, float]:
        """Return named figures of the policy's inner state for the run summary; empty if it has none."""
        return {}

    def lesson(self) -> Mapping[str, float]:
        """Return named figures about the delivery that :meth:`learn` took in last, for the log of a run's learning;
        empty if there are none."""
        return {}

    def save(self, directory: Path) -> None:
        """Write what the policy has learned into *directory*, made for it; without learning, write nothing."""
        return
