"""What short code blocks need beyond long ones: the normal approximation of coding at finite length.

At block error rate ε, n uses of the complex Gaussian channel carry k = n C − √(n V) Q⁻¹(ε) + ½ log2(2n) bits, with
C = log2(1 + s) and V = s (s + 2) / (s + 1)² (log2 e)² at SINR s (Polyanskiy, Poor, Verdú, IEEE Trans. Inf. Theory
56(5), 2010, for the real channel). Only differences of it are used: the distance of NR's code to it is taken to be the
same at every length, and so is that of QAM to the Gaussian input.
"""

from math import e, log2, sqrt

from scipy.optimize import brentq
from scipy.special import ndtri

THRESHOLD_BLER = 0.1  # where thresholds stand
CRC_BITS = 16  # of transport blocks up to 3,824 bits (TS 38.212, 7.2.1 and 6.2.1)
SHORTEST_BLOCK_BITS = 24  # TS 38.214, Table 5.1.3.2-1


def measured_block_bits(code_rate_x1024: float) -> int:
    """Return the size of the code blocks that the thresholds `measured_nr_ldpc_awgn` were measured with."""
    return 1920 if code_rate_x1024 <= 1024 / 3 else 3968


def _capacity_bits(snr: float) -> float:
    return log2(1 + snr)


def _dispersion_bits2(snr: float) -> float:
    return snr * (snr + 2) / (snr + 1) ** 2 * log2(e) ** 2


def needed_snr_db(block_bits: float, channel_uses: float, bler: float = THRESHOLD_BLER) -> float:
    """Return the SINR at which *block_bits* in *channel_uses* complex symbols fail with probability *bler*."""
    tail = -float(ndtri(bler))

    def spare_bits(snr_db: float) -> float:
        snr = 10 ** (snr_db / 10)
        lost = sqrt(channel_uses * _dispersion_bits2(snr)) * tail
        return channel_uses * _capacity_bits(snr) - lost + log2(2 * channel_uses) / 2 - block_bits

    return float(brentq(spare_bits, -40.0, 60.0))


def _steepness_per_db(block_bits: float, channel_uses: float) -> float:
    """Return how fast the approximation's Gaussian argument rises with the SINR at the threshold."""
    snr_db = needed_snr_db(block_bits, channel_uses)

    def argument(at_db: float) -> float:
        snr = 10 ** (at_db / 10)
        spare = channel_uses * _capacity_bits(snr) + log2(2 * channel_uses) / 2 - block_bits
        return spare / sqrt(channel_uses * _dispersion_bits2(snr))

    return (argument(snr_db + 0.01) - argument(snr_db - 0.01)) / 0.02


def short_block(block_bits: float, efficiency: float, code_rate_x1024: float) -> tuple[float, float]:
    """Return the SINR in dB that a short code block needs beyond a measured one, and its curve's relative slope, ≤ 1.

    block_bits: of the transport block, where it is one code block. efficiency: its bits per resource element.

    The CRC's bits travel beside the data in the same resource elements. Blocks as long as the measured ones or longer
    need nothing more.
    """
    reference_bits = measured_block_bits(code_rate_x1024)
    if block_bits + CRC_BITS >= reference_bits:
        return 0.0, 1.0
    block_bits = max(block_bits, SHORTEST_BLOCK_BITS)
    own = (block_bits + CRC_BITS, block_bits / efficiency)
    reference = (reference_bits, reference_bits / efficiency)
    more_db = needed_snr_db(*own) - needed_snr_db(*reference)
    return max(more_db, 0.0), min(_steepness_per_db(*own) / _steepness_per_db(*reference), 1.0)
