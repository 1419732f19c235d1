"""What the engine's networks see of an image and of Ω_t, as numbers of order one.

The paper's state is the rank fractions alone (`paper_state`). Beyond it, the image's size and age and the network's
state are added, and, with `trial_state`, what trial encodings showed. Times are counted in nominal deadlines and
squashed by log(1 + t), so that an outage of hours stays finite.
"""

from math import isfinite, log1p, log10

import numpy as np

from ntnsim.arrays import Float32Array
from ntnsim.engine.trials import trial_features, trial_names
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState

FAR_DEADLINES = 1e4  # a time longer than this, or unknown, counts as this many deadlines
SLOWEST_BPS, FASTEST_BPS = 1e3, 1e12  # what a rate of 0, and an infinite one, count as
NETWORK_FEATURES = (
    "source_megabits",
    "source_bits_per_pixel",
    "age",
    "access_queue",
    "gateway_queue",
    "gateway_work",
    "elevation",
    "sinr",
    "rate",
    "backlog_drain",
    "source_drain",
    "remaining_pass",
    "next_contact",
    "load",
    "dn_queue",
    "dn_free_gpus",
    "dn_work",
    "delivery",
)


def feature_names(n_ranks: int, *, paper_state: bool, trial_state: bool = False) -> tuple[str, ...]:
    """Return the names of the entries of `state_features`, in order."""
    names = tuple(f"fraction_{rank}" for rank in range(n_ranks))
    if trial_state:
        names += trial_names(n_ranks)
    return names if paper_state else names + NETWORK_FEATURES


def state_features(
    image: ImageState,
    network: NetworkState,
    *,
    paper_state: bool,
    nominal_deadline_s: float,
    trial_state: bool = False,
) -> Float32Array:
    """Return the state vector [len(feature_names(…))]; the share 0.5 of a rank maps to 0.

    Raises ValueError where *trial_state* asks for a trial that the image does not have.
    """
    values = [2.0 * fraction - 1.0 for fraction in image.rank_fractions]
    if trial_state:
        values += trial_features(image)
    if paper_state:
        return np.array(values, dtype=np.float32)

    def deadlines(time_s: float) -> float:
        known = time_s / nominal_deadline_s if isfinite(time_s) else FAR_DEADLINES
        return log1p(min(max(known, 0.0), FAR_DEADLINES))

    def transfer_s(bits: float, rate_bps: float) -> float:
        if bits <= 0:
            return 0.0
        return bits / rate_bps if rate_bps > 0 else FAR_DEADLINES * nominal_deadline_s

    gateway, link, dn = network.gateway, network.satellite_link, network.data_network
    values += (
        log10(max(image.source_bits, 1) / 1e6),
        log1p(image.source_bits / max(image.width_px * image.height_px, 1)) - 1.0,
        deadlines(image.age_s),
        log1p(gateway.access_queue),
        log1p(gateway.queue),
        deadlines(gateway.residual_work_s),
        link.elevation_deg / 90.0 if isfinite(link.elevation_deg) else -1.0,
        link.sinr_db / 20.0 if isfinite(link.sinr_db) else -1.0,
        log10(min(max(link.rate_bps, SLOWEST_BPS), FASTEST_BPS) / 1e6) / 2.0,
        deadlines(transfer_s(link.backlog_bits, link.rate_bps)),
        deadlines(transfer_s(image.source_bits, link.rate_bps)),
        deadlines(link.remaining_pass_s) if isfinite(link.remaining_pass_s) else 0.0,
        deadlines(link.next_contact_s),
        link.load if isfinite(link.load) else 0.0,
        log1p(dn.queue),
        1.0 if dn.free_gpus > 0 else 0.0,
        deadlines(dn.residual_work_s),
        deadlines(transfer_s(image.source_bits, dn.delivery_rate_bps)),
    )
    return np.array(values, dtype=np.float32)
