"""What a fluid run leaves behind, as tables: sites, delays, savings, satellites."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ntnsim.arrays import FloatArray
from ntnsim.flow.world import DELAY_EDGES_S, SITE_EDGES_S, FluidResult
from ntnsim.scenario.terrestrial import GatewaySpec


def site_table(scheme: str, gateways: Sequence[GatewaySpec], result: FluidResult) -> pa.Table:
    """Return a row per site: where it is, its images, their delay, the share in time, the load of its link."""
    delivered = result.site_delays.sum(axis=1, dtype=np.float64)
    shares = (
        np.cumsum(result.site_delays, axis=1, dtype=np.float64) / np.maximum(delivered, 1e-300)[:, np.newaxis]
    )
    edge = np.minimum(np.argmax(shares >= 0.95, axis=1) + 1, len(SITE_EDGES_S) - 1)
    some = delivered > 0
    return pa.table(
        {
            "scheme": pa.array([scheme] * len(gateways)),
            "site": [gateway.name for gateway in gateways],
            "latitude_deg": [gateway.latitude_deg for gateway in gateways],
            "longitude_deg": [gateway.longitude_deg for gateway in gateways],
            "images": result.images,
            "delivered": delivered,
            "delay_mean_s": np.where(some, result.delay_sum_s / np.maximum(delivered, 1e-300), np.nan),
            "delay_q95_s": np.where(some, SITE_EDGES_S[edge], np.nan),
            "in_time": result.in_time / np.maximum(result.images, 1e-300),
            "link_load": result.carried_bits / np.maximum(result.offered_bits, 1e-300),
            "carried_bits": result.carried_bits,
        }
    )


def delay_table(scheme: str, result: FluidResult) -> pa.Table:
    """Return images by delay: a row per class, from *delay_from_s* to the next row's."""
    return pa.table(
        {
            "scheme": pa.array([scheme] * len(DELAY_EDGES_S)),
            "delay_from_s": DELAY_EDGES_S,
            "images": result.delays,
        }
    )


def savings_table(scheme: str, savings: FloatArray) -> pa.Table:
    """Return the distribution of savings: equally likely values, ascending."""
    return pa.table({"scheme": pa.array([scheme] * len(savings)), "savings": np.sort(savings)})


def satellite_table(scheme: str, names: tuple[str, ...], result: FluidResult, duration_s: float) -> pa.Table:
    """Return what each satellite carried, in bit/s over the whole run."""
    return pa.table(
        {
            "scheme": pa.array([scheme] * len(names)),
            "satellite": pa.array(names),
            "mean_rate_bps": result.satellite_bits / duration_s,
        }
    )
