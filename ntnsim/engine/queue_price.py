"""What a bit costs those that come after it: the backlog as a price, against the myopia of Eq. 5.

An image's own bits hardly move its own delay, so a policy that minimises Eq. 5 image by image goes on sending until the
queue alone breaks the deadline. Drift-plus-penalty (Neely, 2010) adds the queue's length times what is added to it:
here the satellite link's backlog, which Ω_t tells, is the queue, and each bit counts 1 + weight · (its drain time in
deadlines).
"""

from math import isfinite

from ntnsim.engine.delay_model import drain_s
from ntnsim.protocols.network_state import NetworkState

LONGEST_WAIT = 5.0  # deadlines: a longer backlog, or one whose contact is unknown, is priced as this


def backlog_price(network: NetworkState, deadline_s: float, weight: float) -> float:
    """Return what a bit costs beyond its own price of 1, on the backlog that *network* shows."""
    link = network.satellite_link
    wait_s = link.next_contact_s + drain_s(network, 0.0, link.rate_bps) if link.backlog_bits > 0 else 0.0
    wait = wait_s / deadline_s if isfinite(wait_s) else LONGEST_WAIT
    return weight * min(wait, LONGEST_WAIT)
