"""Schemes: what is compared. Each is a (codec, policy) pair; everything else of the world is shared."""

from typing import Annotated

from pydantic import Field

from ntnsim.scenario.codec import CaptionCodec, SpiffCodec, SpiffPaperCodec, WholeImageCodec
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.policy import FixedPolicy, Policy, Requirement
from ntnsim.scenario.sizes import SizesCodec

Codec = Annotated[
    SpiffCodec | SpiffPaperCodec | WholeImageCodec | CaptionCodec | SizesCodec, Field(discriminator="kind")
]


class Scheme(Entity):
    """One way to send images: a codec and a policy that configures it."""

    name: str = Field(min_length=1)
    codec: Codec
    policy: Policy = FixedPolicy()
    """Whole-image codecs have one quality and nothing to configure; any policy serves them."""
    requirement: Requirement | None = None
    """What is asked of this scheme's images, where it differs from the scenario's."""
