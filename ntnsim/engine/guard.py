"""The deadline guard: keeps the hard constraint hard, whatever policy it guards. Beyond the paper, reported apart.

Before sending, it predicts an upper quantile of the delay: the image's age, what follows from Ω_t (`delay_model`) for
an upper quantile of the coded size, and an upper quantile of the error of past predictions. If the deadline would be
missed, a policy that can rank its choices sends the cheapest that fits; with others the configuration is scaled towards
0 until it fits. If nothing fits, the image is rejected (or sent at its smallest).

Sizes are predicted by a quadratic regression on what is known before coding (`sizes.py`) and x, updated with every
delivery; it begins with what the guarded policy remembers, such as a log. The error quantile's level follows the
misses (adaptive conformal inference, Gibbs & Candès 2021), so that the margin covers the error in a share `confidence`
of deliveries even when the network changes; fewer images are late than that, as most have time to spare. Until it has
seen 30 deliveries the guard shrinks but does not reject: it does not know yet. The first five sizes that it has no
memory of count as the source's. A guard that rejects everything would never learn that the network has recovered:
after a run of rejections one image is sent at its smallest, as a probe.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from math import inf, isfinite, log
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.engine.delay_model import drain_s, known_delay_s
from ntnsim.engine.sizes import Looks, SeenSizes, SizePredictor
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, LostImage, Policy, Requirement
from ntnsim.scenario.policy import GuardSpec

SHRINK_STEPS = 10  # configurations tried on the way to zero
FEWEST_DELIVERIES = 30  # before these, the error counts as the initial margin and nothing is rejected
FEWEST_SIZES = (
    5  # before these, a size counts as the source's; until 30 the worst error of a size is its margin
)
REMEMBERED = 500  # of what the guarded policy remembers, rows that the sizes begin with
SIZE_CONFIDENCE = 0.95
ADAPTATION_RATE = 0.01  # step of the error quantile's level per delivery
RATE_MEMORY = 0.9  # weight of the past in the remembered rate of the link, for decisions without contact


@runtime_checkable
class Ranking(Protocol):
    """A policy that can tell more than its first choice, as all bandits can."""

    def ranked(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> list[Configuration]:
        """Return what it could send, cheapest first."""
        ...

    def seen_sizes(self) -> SeenSizes:
        """Return the sizes of what it remembers."""
        ...


def _exposure_s(drain_s: float) -> float:
    """Return the time over which a prediction may go wrong: draining, and a second for all else."""
    return 1.0 + drain_s


class GuardedPolicy(Policy):
    """A policy and the guard that checks each of its decisions."""

    def __init__(self, guarded: Policy, settings: GuardSpec, space: ConfigurationSpace) -> None:
        self.guarded = guarded
        self._settings = settings
        self._space = space
        self._sizes = SizePredictor(space)
        self._size_errors: deque[float] = deque(maxlen=settings.window)
        self._delay_errors_s: deque[tuple[float, float]] = deque(maxlen=settings.window)  # error, exposure
        self._centre_s = settings.initial_margin_s
        self._spread = 0.0
        self._level = settings.confidence
        self._rate_bps = 0.0
        self._counts = {
            "guard_passed": 0,
            "guard_shrunk": 0,
            "guard_rejected": 0,
            "guard_sent_smallest": 0,
            "guard_probes": 0,
        }
        self._rejections_in_a_row = 0
        self._n_late = 0
        self._n_delivered = 0
        self._looks = Looks()
        if isinstance(guarded, Ranking):
            seen = guarded.seen_sizes()
            self._looks = seen.what
            for row in range(max(len(seen.x) - REMEMBERED, 0), len(seen.x)):
                self._learn_size(self._sizes.terms(seen.looks[row], seen.x[row]), float(seen.log_shares[row]))

    def _learn_size(self, terms: FloatArray, log_share: float) -> None:
        """Note how far the prediction of a size was off, then learn from it."""
        self._size_errors.append(log_share - self._sizes.log_share(terms))
        self._sizes.update(terms, log_share)

    @property
    def learns(self) -> bool:
        """Whether the guarded policy needs scores; the guard itself needs only sizes and delays."""
        return self.guarded.learns

    def _margin_s(self, drain_s: float) -> float:
        """Return what to add to the known delay of an image that drains in *drain_s* with all that is ahead of it.

        Errors are counted per second of draining (and one of everything else): the longer bits take to drain, the more
        the link's rate may change meanwhile, and a smaller image is also the safer one.
        """
        return self._centre_s + self._spread * _exposure_s(drain_s)

    def _measure_errors(self) -> None:
        """Refresh centre and spread of the prediction's error from the window."""
        errors_s, exposures_s = np.array(self._delay_errors_s).T
        self._centre_s = float(np.median(errors_s))
        ordered = np.sort((errors_s - self._centre_s) / exposures_s)
        # The conservative (upper) empirical quantile, as in split conformal prediction; beyond it, the worst seen.
        rank = int(np.ceil((len(ordered) + 1) * self._level))
        self._spread = max(float(ordered[min(rank, len(ordered)) - 1]), 0.0)

    def _size_terms(self, image: ImageState, configuration: Configuration) -> FloatArray:
        return self._sizes.terms(self._looks.of(image), np.array(self._space.vector(configuration)))

    def _upper_size_bits(self, image: ImageState, configuration: Configuration) -> float:
        n_seen = len(self._size_errors)
        if n_seen < FEWEST_SIZES:
            return float(image.source_bits)
        margin = float(
            np.quantile(self._size_errors, SIZE_CONFIDENCE if n_seen >= FEWEST_DELIVERIES else 1.0)
        )
        log_share = self._sizes.log_share(self._size_terms(image, configuration)) + margin
        return image.source_bits * float(np.exp(min(log_share, 0.7)))  # no more than twice the source

    def predicted_delay_s(
        self, image: ImageState, network: NetworkState, configuration: Configuration
    ) -> float:
        """Return the predicted upper quantile of the whole delay, capture to delivery."""
        rate_bps = network.satellite_link.rate_bps or self._rate_bps
        size_bits = self._upper_size_bits(image, configuration)
        margin_s = self._margin_s(drain_s(network, size_bits, rate_bps))
        return image.age_s + known_delay_s(image, network, size_bits, rate_bps) + margin_s

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the guarded policy's decision if it fits, else the best smaller one that does, else a rejection."""
        rate_bps = network.satellite_link.rate_bps
        if rate_bps > 0:
            memory = RATE_MEMORY if self._rate_bps else 0.0
            self._rate_bps = memory * self._rate_bps + (1.0 - memory) * rate_bps
        decision = self.guarded.choose(image, network, requirement)
        if decision.configuration is None:
            return decision
        if not network.satellite_link.rate_bps and not self._rate_bps:
            return decision  # no rate was ever seen: nothing to predict with
        smallest, smallest_s = decision.configuration, inf
        for step, configuration in enumerate(self._tried(image, network, requirement, decision)):
            predicted_s = self.predicted_delay_s(image, network, configuration)
            if predicted_s <= requirement.deadline_s:
                self._rejections_in_a_row = 0
                if step == 0:
                    self._counts["guard_passed"] += 1
                    return decision
                self._counts["guard_shrunk"] += 1
                return Decision(configuration, f"guard: predicted {predicted_s:.1f} s, in time")
            if predicted_s <= smallest_s:
                smallest, smallest_s = configuration, predicted_s
        predicted = f"{smallest_s:.1f} s" if isfinite(smallest_s) else "no arrival in this pass"
        if self._settings.when_late == "send-smallest" or self._n_delivered < FEWEST_DELIVERIES:
            self._counts["guard_sent_smallest"] += 1
            return Decision(smallest, f"guard: smallest sent, predicted {predicted}")
        if isfinite(smallest_s) and self._rejections_in_a_row >= self._settings.probe_after_rejections:
            self._rejections_in_a_row = 0
            self._counts["guard_probes"] += 1
            return Decision(smallest, f"guard: probe, predicted {predicted}")
        self._rejections_in_a_row += 1
        self._counts["guard_rejected"] += 1
        return Decision(
            None,
            f"guard: predicted {predicted} at the smallest configuration, deadline {requirement.deadline_s} s",
        )

    def _tried(
        self, image: ImageState, network: NetworkState, requirement: Requirement, decision: Decision
    ) -> Iterator[Configuration]:
        """Yield what may be sent: what *decision* says first, then the policy's next best, or x scaled towards 0."""
        wanted = decision.configuration
        assert wanted is not None
        yield wanted
        if isinstance(self.guarded, Ranking):
            yield from self.guarded.ranked(image, network, requirement)
        else:
            x = np.array(self._space.vector(wanted))
            for step in range(1, SHRINK_STEPS + 1):
                yield self._space.configuration((x * (1.0 - step / SHRINK_STEPS)).tolist())

    def learn(self, delivered: DeliveredImage) -> None:
        """Measure the errors of both predictions, then let the guarded policy learn."""
        image, network = delivered.image, delivered.network
        terms = self._size_terms(image, delivered.configuration)
        log_share = log(delivered.size_bits / image.source_bits)
        self._learn_size(terms, log_share)
        rate_bps = network.satellite_link.rate_bps or self._rate_bps
        known_s = known_delay_s(image, network, delivered.size_bits, rate_bps)
        if isfinite(known_s):
            error_s = delivered.delay_s - image.age_s - known_s
            drained_s = drain_s(network, delivered.size_bits, rate_bps)
            if len(self._delay_errors_s) >= FEWEST_DELIVERIES:
                covered = error_s <= self._margin_s(drained_s)
                miss = 1.0 - self._settings.confidence
                self._level += ADAPTATION_RATE * ((0.0 if covered else 1.0) - miss)
                self._level = min(max(self._level, 0.5), 1.0)
            self._delay_errors_s.append((error_s, _exposure_s(drained_s)))
            if len(self._delay_errors_s) >= FEWEST_DELIVERIES:
                self._measure_errors()
        self._n_delivered += 1
        self._n_late += delivered.delay_s > delivered.requirement.deadline_s
        self.guarded.learn(delivered)

    def lose(self, lost: LostImage) -> None:
        """Pass it on."""
        self.guarded.lose(lost)

    def lesson(self) -> Mapping[str, float]:
        """Return the guarded policy's figures of its last delivery."""
        return self.guarded.lesson()

    def save(self, directory: Path) -> None:
        """Write what the guarded policy has learned; the guard itself starts anew."""
        self.guarded.save(directory)

    def diagnostics(self) -> Mapping[str, float]:
        """Return the guarded policy's figures, and the guard's own under ``guard_``."""
        figures = dict(self.guarded.diagnostics())
        figures.update({name: float(count) for name, count in self._counts.items()})
        figures["guard_centre_s"] = self._centre_s
        figures["guard_spread"] = self._spread
        figures["guard_level"] = self._level
        if self._n_delivered:
            figures["guard_late_share"] = self._n_late / self._n_delivered
        return figures
