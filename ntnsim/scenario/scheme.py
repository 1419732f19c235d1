"""Schemes: what is compared. Each is a (codec, policy) pair; everything else of the world is shared."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ntnsim.scenario.codec import CaptionCodec, SpiffCodec, SpiffPaperCodec, WholeImageCodec
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.policy import FixedPolicy, Learning, Policy, Requirement
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

    @model_validator(mode="after")
    def _trial_is_made(self) -> Self:
        wanted = isinstance(self.policy, Learning) and self.policy.trial_state
        if wanted and not (isinstance(self.codec, SpiffCodec) and self.codec.trial > 0):
            raise ValueError(
                f"policy.trial_state is true, but codec {self.codec.kind} makes no trial encoding: "
                "set trial > 0 on a codec of kind spiff"
            )
        return self
