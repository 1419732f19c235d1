"""What the gateway can compute of an image's remaining delay from Ω_t, before it has learned anything.

Waiting for contact, the backlog and the image itself through the satellite link at its present rate, propagation,
what is queued at the data network, and the delivery of the reconstructed file. Service times that Ω_t does not hold
(encoding, inpainting) are left to whoever learns the remainder. Times in seconds; ``inf`` when the bits do not fit into
the pass under way.
"""

from math import inf, isfinite

from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState


def drain_s(network: NetworkState, size_bits: float, rate_bps: float) -> float:
    """Return the time in which the backlog and *size_bits* leave a link of *rate_bps*."""
    return (network.satellite_link.backlog_bits + size_bits) / rate_bps if rate_bps > 0 else inf


def known_delay_s(image: ImageState, network: NetworkState, size_bits: float, rate_bps: float) -> float:
    """Return the part of the remaining delay that follows from Ω_t for *size_bits* on a link of *rate_bps*.

    rate_bps: the rate assumed on the satellite link, since Ω_t's own is 0 without contact.
    """
    link, dn = network.satellite_link, network.data_network
    if not rate_bps > 0:
        return inf
    wait_s = link.next_contact_s if isfinite(link.next_contact_s) else inf
    sending_s = drain_s(network, size_bits, rate_bps)
    in_contact = wait_s == 0.0
    if in_contact and isfinite(link.remaining_pass_s) and sending_s > link.remaining_pass_s:
        return inf  # the rest would wait for a later pass, whose time Ω_t does not tell
    propagation_s = link.propagation_s if isfinite(link.propagation_s) else 0.0
    delivery_s = image.source_bits / dn.delivery_rate_bps if dn.delivery_rate_bps > 0 else inf
    return wait_s + sending_s + propagation_s + dn.residual_work_s + delivery_s
