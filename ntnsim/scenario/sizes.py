"""The codec that is none: sizes drawn from distributions, for studies of the network alone."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from ntnsim.scenario.distribution import ConstantSpec, DistributionSpec
from ntnsim.scenario.entity import Entity


class SizesCodecSpec(Entity):
    """Images without pixels: only their sizes exist, so neither networks nor datasets are needed."""

    kind: Literal["sizes"]
    size_bits: DistributionSpec
    """Coded size, charged on the satellite link."""
    source_bits: DistributionSpec = ConstantSpec(value=8e6)
    """Size as captured, charged on the access link."""
    reconstructed_bits: DistributionSpec = ConstantSpec(value=8e6)
    """Size of the reconstruction, charged on the delivery link."""
    width_px: PositiveInt = 512
    """Width that compute times are charged for."""
    height_px: PositiveInt = 512
    """Height that compute times are charged for."""
    rank_fractions: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(default=(0.6, 0.4), min_length=2)
    """Share of each rank, lowest first, all together 1; bits are split in the same shares."""
    steps: int = Field(default=0, ge=0)
    """Diffusion steps that the data network's device is charged for."""

    @model_validator(mode="after")
    def _shares_of_a_whole(self) -> Self:
        if abs(math.fsum(self.rank_fractions) - 1) > 1e-6:
            raise ValueError(f"rank_fractions must sum to 1, got {math.fsum(self.rank_fractions):g}")
        return self
