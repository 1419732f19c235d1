"""Device profiles: how long each stage of the pipeline takes on a named machine.

Simulated time is charged from these figures, never from the clock of the host that runs the simulation. The
profiles that ship (presets/devices.yaml) are estimates and say so; ``ntnsim profile`` measures a host into a new one.
"""

from typing import Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator

from ntnsim.scenario.entity import Entity

GatewayStage = Literal[
    "segmentation", "trial", "trial_inpainting", "decision", "caption", "encode", "encode_jpeg"
]
DataNetworkStage = Literal["decode", "inpainting", "generation"]

REFERENCE_PIXELS = 512 * 512  # a step of a diffusion model is quoted for an image of this size


class StageTimeSpec(Entity):
    """Time of one stage for one image.

    mean = fixed_s + per_megapixel_s · pixels/10⁶ + per_step_s · steps · pixels/512², times a log-normal factor of mean
    one and coefficient of variation *spread_cv*.
    """

    fixed_s: NonNegativeFloat = 0.0
    """Seconds whatever the image."""
    per_megapixel_s: NonNegativeFloat = 0.0
    """Seconds per million pixels."""
    per_step_s: NonNegativeFloat = 0.0
    """Seconds per diffusion step of an image of 512 × 512."""
    spread_cv: NonNegativeFloat = 0.0
    """Coefficient of variation of the log-normal factor."""

    def mean_s(self, pixels: int, steps: int) -> float:
        """Return the expected time for an image of *pixels* and *steps* diffusion steps."""
        return (
            self.fixed_s
            + self.per_megapixel_s * pixels / 1e6
            + self.per_step_s * steps * pixels / REFERENCE_PIXELS
        )


class DeviceProfileSpec(Entity):
    """A machine: the time of each stage by name. A stage that is not listed takes no time."""

    description: str = ""
    """Which machine it is, and where the figures come from."""
    estimated: bool = True
    """Whether the figures are estimates rather than measurements of this machine."""
    stages: dict[str, StageTimeSpec] = Field(default_factory=dict)
    """Times of segmentation, trial, trial_inpainting, decision, caption, encode (AVIF, JPEG XL or WebP), encode_jpeg
    (gateway); decode, inpainting, generation (data network)."""
    batch_marginal: float = Field(default=1.0, ge=0, le=1)
    """What each further image of a batch adds, as a share of the first one's time: 1 gains nothing."""
    power_w: PositiveFloat | None = None
    """Power drawn while a server works; energy per job is recorded when it is given."""

    @field_validator("stages")
    @classmethod
    def _stages_are_known(cls, stages: dict[str, StageTimeSpec]) -> dict[str, StageTimeSpec]:
        known = (*get_args(GatewayStage), *get_args(DataNetworkStage))
        for name in stages:
            if name not in known:
                raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        return stages
