"""Which of the records' columns summaries and figures read, and what to call them for a reader."""

import re
from collections.abc import Iterable

from ntnsim.results.record import DELIVERED, LATE

COMPONENT_TITLES = {
    "gw_comm": "access to gateway",
    "gw_comp": "gateway computing",
    "ntn_comm": "satellite link",
    "dn_comp": "reconstruction",
    "dn_comm": "delivery to user",
}
# End states of an image that reached the user.
SERVED = (DELIVERED, LATE)


def rank_columns(names: Iterable[str], score: str) -> list[str]:
    """Return the columns of *names* that hold *score* per rank (``pf_rank_0`` …), lowest rank first."""
    matches = [match for name in names if (match := re.fullmatch(rf"{score}_rank_(\d+)", name))]
    return [match.group() for match in sorted(matches, key=lambda match: int(match.group(1)))]
