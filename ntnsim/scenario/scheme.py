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

    @model_validator(mode="after")
    def _coarse_layer_is_there(self) -> Self:
        quality = self.policy.coarse_quality if isinstance(self.policy, FixedPolicySpec) else 0.0
        if quality > 0 and not isinstance(self.codec, SpiffCodecSpec | CustomCodecSpec):
            raise ValueError(
                f"policy.coarse_quality: is {quality:g}, but codec {self.codec.kind} has no coarse layer: leave it at 0"
            )
        return self

    def check_ranks(self, of_task: int, requirement: RequirementSpec) -> None:
        """Raise ValueError where the policy, or what is asked of it, is for another number of ranks than the images'.

        of_task: ranks of photographs. requirement: the scenario's, for schemes without one of their own.
        """
        n_ranks = len(self.codec.rank_fractions) if isinstance(self.codec, SizesCodecSpec) else of_task
        if isinstance(self.policy, FixedPolicySpec) and isinstance(self.policy.patch_fractions, tuple):
            given = len(self.policy.patch_fractions)
            if given != n_ranks - 1:
                raise ValueError(
                    f"policy.patch_fractions: has {given} entries; {n_ranks} ranks need {n_ranks - 1}"
                )
        asked = len((self.requirement or requirement).pf_min)
        if isinstance(self.policy, LearningSpec) and asked != n_ranks:
            raise ValueError(
                f"policy: {self.policy.kind} learns for {n_ranks} ranks, but the requirement's lists have {asked} "
                "entries: give one per rank"
            )
