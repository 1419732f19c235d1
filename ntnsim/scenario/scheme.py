"""Schemes: what is compared. Each is a (codec, policy) pair; everything else of the world is shared."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ntnsim.scenario.codec import (
    CaptionCodecSpec,
    CustomCodecSpec,
    SpiffCodecSpec,
    SpiffPaperCodecSpec,
    WholeImageCodecSpec,
)
from ntnsim.scenario.entity import Entity, Name
from ntnsim.scenario.policy import FixedPolicySpec, LearningSpec, PolicySpec, RequirementSpec
from ntnsim.scenario.sizes import SizesCodecSpec

CodecSpec = Annotated[
    SpiffCodecSpec
    | SpiffPaperCodecSpec
    | WholeImageCodecSpec
    | CaptionCodecSpec
    | SizesCodecSpec
    | CustomCodecSpec,
    Field(discriminator="kind"),
]


class SchemeSpec(Entity):
    """One way to send images: a codec and a policy that configures it."""

    name: Name
    """What figures, tables and records call it."""
    codec: CodecSpec
    """What makes few bits of an image, and an image of them."""
    policy: PolicySpec = FixedPolicySpec()
    """Whole-image codecs have one quality and nothing to configure; any policy serves them."""
    requirement: RequirementSpec | None = None
    """What is asked of this scheme's images, where it differs from the scenario's."""

    @model_validator(mode="after")
    def _trial_is_made(self) -> Self:
        wanted = isinstance(self.policy, LearningSpec) and self.policy.trial_state
        if wanted and not (isinstance(self.codec, SpiffCodecSpec) and self.codec.trial_qualities):
            raise ValueError(
                f"policy.trial_state is true, but codec {self.codec.kind} makes no trial encoding: "
                "set trial > 0 on a codec of kind spiff"
            )
        return self
