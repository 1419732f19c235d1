"""A BITS instance with closed-form distributions, so that its optimum is known: the yardstick of learning policies.

It imitates the shape of SPIFF (R = 2, x = (β, p)) with formulas instead of images; nothing here enters a simulation.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from ntnsim.arrays import FloatArray
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.objective import realised_cost
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.network_state import DataNetworkState, GatewayState, NetworkState, SatelliteLinkState
from ntnsim.protocols.policy import DeliveredImage, ImageState, Requirement

SPACE = ConfigurationSpace(n_ranks=2, has_coarse_layer=False)
REQUIREMENT = Requirement(
    deadline_s=20.0, pf_min=(0.8, 0.98), sf_min=(0.85, 0.95), lambda_pf=(1.25, 10.0), lambda_sf=(5.0, 10.0)
)
SOURCE_BITS = 4_000_000
PIXELS = (640, 480)


@dataclass(frozen=True)
class SyntheticBits:
    """Means and spreads of every term of BITS.

    With the top rank's share h and the box's share a = h + (1 − h)·β of the image, the known share of the low rank is
    k = 1 − (1 − p)(1 − β). Bits fall on the box and on the kept tiles outside it; the low rank's fidelity grows with k,
    the top rank's with β; delay is fixed time plus bits over the rate. Fidelities are normal, delay is log-normal.

    slow_rate_bps, fast_rate_bps: the link's rate is drawn log-uniformly between them for each image.
    """

    slow_rate_bps: float = 60e3
    fast_rate_bps: float = 400e3
    fixed_delay_s: float = 3.0
    delay_spread: float = 0.15  # standard deviation of the log of the transfer time
    bits_spread: float = 0.05  # relative
    space: ConfigurationSpace = field(default=SPACE)

    def context(self, rng: np.random.Generator) -> tuple[ImageState, NetworkState]:
        """Draw an image and a network state."""
        high = rng.uniform(0.2, 0.6)
        rate_bps = float(np.exp(rng.uniform(np.log(self.slow_rate_bps), np.log(self.fast_rate_bps))))
        return ImageState((1.0 - high, high), SOURCE_BITS, *PIXELS), network_state(rate_bps)

    def bits_share(self, high: float, x: FloatArray) -> FloatArray:
        """Return mean bits as a share of the source, for configurations x [..., 2]."""
        area = high + (1.0 - high) * x[..., 0]
        share: FloatArray = 0.02 + 0.35 * area + 0.30 * (1.0 - area) * x[..., 1]
        return share

    def fidelity_means(self, x: FloatArray) -> FloatArray:
        """Return the means [..., 4] of (per_0, sem_0, per_1, sem_1)."""
        known = 1.0 - (1.0 - x[..., 1]) * (1.0 - x[..., 0])
        edge = (1.0 - x[..., 0]) ** 2
        return np.stack(
            (
                0.35 + 0.63 * np.sqrt(known),
                0.55 + 0.42 * np.sqrt(known),
                1.0 - 0.05 * edge,
                1.0 - 0.03 * edge,
            ),
            -1,
        )

    def fidelity_spreads(self, x: FloatArray) -> FloatArray:
        """Return the standard deviations [..., 4]: the less is known, the more the decoder's luck counts."""
        unknown = (1.0 - x[..., 1]) * (1.0 - x[..., 0])
        top = np.full_like(unknown, 0.005)
        return np.stack((0.015 + 0.035 * unknown, 0.01 + 0.03 * unknown, top, top), -1)

    def transfer_s(self, high: float, rate_bps: float, x: FloatArray) -> FloatArray:
        """Return the median transfer time."""
        return self.bits_share(high, x) * SOURCE_BITS / rate_bps

    def aggregate_cost(
        self, high: float, rate_bps: float, x: FloatArray, requirement: Requirement, risk_level: float
    ) -> FloatArray:
        """Return the exact C^agg (Eq. 5) of configurations x [..., 2]."""
        fidelity = self.fidelity_means(x) + norm.ppf(risk_level) * self.fidelity_spreads(x)
        late = np.exp(norm.ppf(1.0 - risk_level) * self.delay_spread)
        delay_s = self.fixed_delay_s + self.transfer_s(high, rate_bps, x) * late
        outcome = np.concatenate((self.bits_share(high, x)[..., None], fidelity, delay_s[..., None]), -1)
        return realised_cost(
            outcome,
            np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
            np.array(interleaved(requirement.pf_min, requirement.sf_min)),
            np.array(requirement.lambda_delay),
            np.array(requirement.deadline_s),
        )

    def optimum(
        self, high: float, rate_bps: float, requirement: Requirement, risk_level: float, steps: int = 200
    ) -> tuple[FloatArray, float]:
        """Return the best x [2] of a grid with *steps* + 1 points a side, and its exact C^agg."""
        axis = np.linspace(0.0, 1.0, steps + 1)
        grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        cost = self.aggregate_cost(high, rate_bps, grid, requirement, risk_level)
        best = int(cost.argmin())
        return grid[best], float(cost[best])

    def deliver(
        self,
        image: ImageState,
        network: NetworkState,
        requirement: Requirement,
        configuration: Configuration,
        rng: np.random.Generator,
    ) -> DeliveredImage:
        """Draw the outcome of one decision."""
        x = np.array(self.space.vector(configuration))
        high = image.rank_fractions[-1]
        bits = self.bits_share(high, x) * SOURCE_BITS * (1.0 + self.bits_spread * rng.standard_normal())
        fidelity = self.fidelity_means(x) + self.fidelity_spreads(x) * rng.standard_normal(4)
        transfer_s = self.transfer_s(high, network.satellite_link.rate_bps, x)
        delay_s = self.fixed_delay_s + transfer_s * np.exp(self.delay_spread * rng.standard_normal())
        return DeliveredImage(
            image=image,
            network=network,
            requirement=requirement,
            configuration=configuration,
            size_bits=max(int(bits), 1),
            pf=(float(fidelity[0]), float(fidelity[2])),
            sf=(float(fidelity[1]), float(fidelity[3])),
            delay_s=float(delay_s),
        )


def network_state(rate_bps: float, *, backlog_bits: float = 0.0) -> NetworkState:
    """Return an idle network in contact, whose satellite link runs at *rate_bps*."""
    return NetworkState(
        time_s=0.0,
        gateway=GatewayState(
            access_rate_bps=20e6, access_queue=0, queue=0, busy_servers=0, residual_work_s=0.0
        ),
        satellite_link=SatelliteLinkState(
            satellite="synthetic",
            elevation_deg=45.0,
            sinr_db=10.0,
            rate_bps=rate_bps,
            backlog_bits=backlog_bits,
            remaining_pass_s=600.0,
            next_contact_s=0.0,
            load=0.0,
            propagation_s=0.005,
        ),
        data_network=DataNetworkState(queue=0, free_gpus=1, residual_work_s=0.0, delivery_rate_bps=100e6),
    )
