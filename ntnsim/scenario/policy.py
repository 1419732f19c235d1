"""The policies a scheme may name: who chooses each image's configuration, and with which settings.

One entity per policy; ``kind`` says which. Defaults are the paper's (Sec. VII) where it gives a value, and
the settled ones of the README's list of departures where it does not. What the application asks of an image (Table
III) is a `Requirement`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.own_part import OwnPartSpec
from ntnsim.scenario.path import ScenarioPath

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


class RequirementChangeSpec(Entity):
    """What the application asks from a moment on; what stands not here stays as it was."""

    from_s: float = Field(gt=0)
    """Seconds from the start: images captured from then on fall under it, those on their way do not."""
    deadline_s: float | None = Field(default=None, gt=0)
    """d^max, seconds from capture to delivery."""
    pf_min: tuple[Share, ...] | None = None
    """Lowest perceptual fidelity per rank."""
    sf_min: tuple[Share, ...] | None = None
    """Lowest semantic fidelity per rank."""
    lambda_pf: tuple[Weight, ...] | None = None
    """Weight of a shortfall in perceptual fidelity per rank."""
    lambda_sf: tuple[Weight, ...] | None = None
    """Weight of a shortfall in semantic fidelity per rank."""
    lambda_delay: float | None = Field(default=None, ge=0)
    """Weight of a predicted delay beyond the deadline, in deadlines."""


class RequirementSpec(Entity):
    """What the application asks of each image: deadline, fidelity targets per rank, and their weights (Table III).

    Each list has one entry per rank, lowest rank first. The defaults are the paper's Strict targets for two ranks;
    they hold for LPIPS and CLIP scores.
    """

    deadline_s: float = Field(default=20.0, gt=0)
    """d^max, seconds from capture to delivery (Sec. VII)."""
    pf_min: tuple[Share, ...] = (0.8, 1.0)
    """Lowest perceptual fidelity f_l,min^per."""
    sf_min: tuple[Share, ...] = (0.9, 1.0)
    """Lowest semantic fidelity f_l,min^sem."""
    lambda_pf: tuple[Weight, ...] = (1.25, 10.0)
    """Weight λ_l^per of a shortfall in perceptual fidelity, against bits as a share of the source's size."""
    lambda_sf: tuple[Weight, ...] = (5.0, 10.0)
    """Weight λ_l^sem of a shortfall in semantic fidelity."""
    lambda_delay: float = Field(default=10.0, ge=0)
    """Weight λ^del of a predicted delay beyond the deadline, in deadlines."""
    changes: tuple[RequirementChangeSpec, ...] = ()
    """What the application asks later in the run, in order of time. Policies are not told before."""

    @model_validator(mode="after")
    def _changes_follow_each_other(self) -> Self:
        times = [change.from_s for change in self.changes]
        if times != sorted(set(times)):
            raise ValueError(f"changes must have ascending from_s, got {times}")
        for change in self.changes:
            for name in ("pf_min", "sf_min", "lambda_pf", "lambda_sf"):
                values = getattr(change, name)
                if values is not None and len(values) != len(self.pf_min):
                    raise ValueError(
                        f"changes from {change.from_s:g} s: {name} has {len(values)} entries, the requirement "
                        f"{len(self.pf_min)} ranks"
                    )
        return self

    @model_validator(mode="after")
    def _same_number_of_ranks(self) -> Self:
        lengths = {len(self.pf_min), len(self.sf_min), len(self.lambda_pf), len(self.lambda_sf)}
        if len(lengths) != 1 or len(self.pf_min) < 2:
            raise ValueError(
                "pf_min, sf_min, lambda_pf and lambda_sf need one entry per rank each, at least two ranks"
            )
        return self


# Paper, Table III (λ_1 = 10 and f_1,min = 1 from the text of Sec. VII).
TABLE_III: dict[str, RequirementSpec] = {
    "strict": RequirementSpec(),
    "intermediate": RequirementSpec(
        pf_min=(0.6, 1.0), sf_min=(0.8, 1.0), lambda_pf=(1.2, 10.0), lambda_sf=(4.75, 10.0)
    ),
    "lenient": RequirementSpec(
        pf_min=(0.4, 1.0), sf_min=(0.6, 1.0), lambda_pf=(0.1, 10.0), lambda_sf=(0.5, 10.0)
    ),
}


class GuardSpec(Entity):
    """The deadline guard: before sending, shrink or reject what would probably arrive late. Beyond the paper."""

    confidence: float = Field(default=0.99, gt=0.5, lt=1)
    """Wanted share of admitted images that meet the deadline."""
    initial_margin_s: float = Field(default=0.0, ge=0)
    """Seconds added to the predicted delay until enough deliveries have been seen."""
    window: int = Field(default=500, ge=50)
    """Deliveries over which the prediction error is measured."""
    when_late: Literal["reject", "send-smallest"] = "reject"
    """What becomes of an image for which nothing fits."""
    probe_after_rejections: int = Field(default=50, ge=1)
    """Rejections in a row after which one image is sent anyway, to learn whether the network has recovered."""


class FixedPolicySpec(Entity):
    """Always the same configuration."""

    kind: Literal["fixed"] = "fixed"
    box_growth: Share = 0.0
    """β: 0 keeps the box tight, 1 makes it the image."""
    patch_fractions: Share | tuple[Share, ...] = 0.25
    """p(l) of the ranks below the highest, lowest first; one number serves them all."""
    coarse_quality: Share = 0.0
    """q: quality of the coarse layer, for codecs that have one; 0 sends none."""
    guard: GuardSpec | None = None
    """Deadline guard; none by default."""


class RandomPolicySpec(Entity):
    """A configuration drawn uniformly for each image."""

    kind: Literal["random"] = "random"
    guard: GuardSpec | None = None
    """Deadline guard; none by default."""


class OraclePolicySpec(Entity):
    """The best configuration of a grid of real outcomes, image by image: a bound, not a method."""

    kind: Literal["oracle"] = "oracle"
    table: ScenarioPath
    """Path of the outcome table (Parquet) that holds every image's grid."""
    margin_s: float = Field(default=0.0, ge=0)
    """Seconds kept free below the deadline for what Ω_t does not tell."""
    keeps_targets: bool = False
    """Take the fewest bits among configurations that meet every fidelity target, wherever there is one; else λ prices
    a shortfall against bits."""


class CustomPolicySpec(OwnPartSpec):
    """A policy of the user's own, by name or by class."""

    guard: GuardSpec | None = None
    """Deadline guard; none by default."""


class RequirementRangeSpec(Entity):
    """The span of requirements that a conditioned policy is trained to serve."""

    pf_min: tuple[Share, Share] = (0.3, 1.0)
    """Lowest and highest f_l,min^per."""
    sf_min: tuple[Share, Share] = (0.3, 1.0)
    """Lowest and highest f_l,min^sem."""
    weight: tuple[float, float] = (0.1, 10.0)
    """Lowest and highest λ of a fidelity shortfall, drawn log-uniformly (Table III spans 0.1 to 10)."""
    deadline_factor: tuple[float, float] = (0.5, 2.0)
    """Lowest and highest d^max as multiples of `nominal_deadline_s`, drawn log-uniformly."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("pf_min", "sf_min", "weight", "deadline_factor"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be (low, high), got ({low}, {high})")
        if self.weight[0] <= 0 or self.deadline_factor[0] <= 0:
            raise ValueError("weight and deadline_factor must be > 0: they are drawn log-uniformly")
        return self


class LearningSpec(Entity):
    """What every learning policy shares: memory, warm-up, state and where it starts."""

    replay_capacity: int = Field(default=2000, ge=64)
    """Deliveries remembered."""
    memory_half_life_images: float | None = Field(default=None, gt=0)
    """Deliveries after which an outcome counts half as much: networks draw it half as often, least squares weigh it
    half. Null: all that is remembered counts alike, as in the paper. For a world that changes without Ω_t telling
    it."""
    warm_up_images: int = Field(default=64, ge=8)
    """Deliveries before the first update."""
    warm_up: Literal["uniform", "trials"] = "uniform"
    """What is sent before the first update: x drawn uniformly, or about the cheapest by what the codec's trial
    encodings tell (needs `trial_state`). Beyond the paper, whose engine begins with uniform draws."""
    updates_per_image: int = Field(default=1, ge=0)
    """Updates after each delivery. Least squares are exact: for `linear`, more than 1 changes nothing."""
    feedback_share: float = Field(default=1.0, gt=0, le=1)
    """Share of deliveries whose scores come back to the gateway; drawn at random for each."""
    paper_state: bool = False
    """True: without Ω_t and the image's age: the paper's rank fractions alone, if `trial_state` is off too."""
    trial_state: bool = False
    """True: the state also holds what the codec's trial encoding showed of the image (`trial` of codec `spiff`)."""
    queue_price: float = Field(default=0.0, ge=0)
    """What the satellite link's backlog adds to the price of a bit, per deadline that it takes to drain. 0 is the
    paper's myopic cost: an image pays for its own delay alone, not for that of the images behind it. Beyond the
    paper."""
    nominal_deadline_s: float = Field(default=20.0, gt=0)
    """Unit of delay inside the engine (d^max of Sec. VII); requirements may differ from it."""
    evaluate: bool = False
    """True: no exploration and no learning."""
    checkpoint: ScenarioPath | None = None
    """Directory of a trained engine to start from."""
    guard: GuardSpec | None = None
    """Deadline guard; none by default, so that the policy stands alone."""

    @model_validator(mode="after")
    def _trials_are_seen(self) -> Self:
        if self.warm_up == "trials" and not self.trial_state:
            raise ValueError("warm_up: trials needs trial_state: true")
        return self

    @model_validator(mode="after")
    def _knows_something(self) -> Self:
        if self.evaluate and self.checkpoint is None:
            raise ValueError("evaluate: an engine that does not learn needs a checkpoint")
        return self


class LinearBanditSpec(LearningSpec):
    """Least squares on the engine's own features, searched over a grid of x: the simplest learner that a network must
    beat. Beyond the paper."""

    kind: Literal["linear"] = "linear"
    explore: Literal["thompson", "ucb", "none"] = "thompson"
    """How it explores while it learns: by coefficients drawn from their posterior, by optimism (LinUCB), or not."""
    optimism: float = Field(default=1.0, ge=0)
    """Of `ucb`: standard errors by which each term is believed better than predicted."""
    ridge: float = Field(default=1.0, gt=0)
    """Weight of the ridge, in observations: how strongly coefficients are held at 0, or at what trials tell."""
    risk_level: float = Field(default=0.1, gt=0, lt=0.5)
    """α: fidelities are read at this quantile and the delay at 1 − α, by the residuals of left-out deliveries."""


class NetworkLearningSpec(LearningSpec):
    """What the SPIFF engine and NCB share besides: networks, rates and exploration (paper Sec. VII)."""

    hidden_units: int = Field(default=256, ge=4)
    """Width of the two hidden layers of actor and critics."""
    actor_learning_rate: float = Field(default=1e-3, gt=0)
    """Adam step of the actor. The paper's 1e-4 needs more than 2,000 images to come as near the optimum."""
    critic_learning_rate: float = Field(default=1e-3, gt=0)
    """Adam step of the critics."""
    learning_rate_half_life_updates: float = Field(default=600.0, gt=0)
    """Updates after which both steps have halved. The paper names no decay; with it the policy settles nearer."""
    learning_rate_floor: Share = 0.1
    """Share of the initial steps that is kept for ever, so that a changed network can be learned."""
    noise_theta: float = Field(default=0.15, ge=0, le=1)
    """Ornstein–Uhlenbeck pull towards zero."""
    noise_sigma: float = Field(default=0.15, ge=0)
    """Ornstein–Uhlenbeck step."""
    noise_half_life_images: float = Field(default=500.0, gt=0)
    """Deliveries after which the exploration noise has halved."""
    noise_floor: Share = 0.1
    """Share of the initial noise that is kept for ever, so that a changed network is noticed."""
    minibatch: int = Field(default=32, ge=1)
    """Rows per update."""
    decide: Literal["search", "actor"] = "search"
    """What is sent: the x that the critics find cheapest among the actor's, its neighbours, the whole image and grids
    of β and q without patches, on multiples of 1/20, or the actor's own, as in the paper. An actor is smooth and can
    saturate in a corner; a search cannot."""

    @model_validator(mode="after")
    def _price_is_searched(self) -> Self:
        if self.queue_price > 0 and self.decide == "actor":
            raise ValueError("queue_price needs decide: search: an actor does not know the price")
        return self


class SpiffEngineSpec(NetworkLearningSpec):
    """The paper's engine: 2R+2 distributional critics and a conditioned deterministic actor (Sec. VI)."""

    kind: Literal["spiff-engine"] = "spiff-engine"
    n_quantiles: int = Field(default=51, ge=2)
    """N, quantile midpoints per critic."""
    huber_kappa: float = Field(default=0.01, gt=0)
    """κ of Eq. 4, on residuals counted in their spread. It must be small beside a term's own spread: where that is
    0.15, the 10 % quantile covers 12.3 % at κ = 0.05, and 10.5 % at 0.01."""
    risk_level: float = Field(default=0.1, gt=0, lt=0.5)
    """α: fidelities are read at this quantile, the delay at 1 − α."""
    expected_share: Share = 0.0
    """Share of each penalty that decisions count at its mean over the critics' quantiles, instead of at the quantile of
    `risk_level`. Eq. 5 prices an unlikely miss as if it were sure, and so prefers a dear x that surely misses a little.
    Beyond the paper, whose engine has 0; the actor learns by Eq. 5 alone."""
    calibrated: bool = False
    """Shift the low quantiles by what outcomes that were not learned from yet say (conformal calibration): critics of a
    few hundred photographs are too sure of the next one. It keeps targets more often and sends more bits, far more
    where few outcomes are left to calibrate on. Beyond the paper."""
    requirement_range: RequirementRangeSpec = RequirementRangeSpec()
    """Requirements drawn for the actor's updates, besides those met in the run."""
    search_share: Share = 0.25
    """Share of the actor's rows that are compared with a uniformly drawn x and, where the critics find that one
    cheaper, drawn towards it. Beyond the paper, against local optima; 0 leaves the paper's gradient alone."""
    seen_share: Share = 0.5
    """Share of the actor's rows that keep a requirement met in the run instead of a drawn one."""


class NeuralContextualBanditSpec(NetworkLearningSpec):
    """NCB, the paper's benchmark: the same actor, one critic on the scalar penalised cost."""

    kind: Literal["ncb"] = "ncb"

    @model_validator(mode="after")
    def _has_no_price(self) -> Self:
        if self.queue_price > 0:
            raise ValueError(
                "queue_price is not for ncb: its one critic does not tell bits from the rest of the cost"
            )
        return self


PolicySpec = Annotated[
    FixedPolicySpec
    | RandomPolicySpec
    | OraclePolicySpec
    | SpiffEngineSpec
    | NeuralContextualBanditSpec
    | LinearBanditSpec
    | CustomPolicySpec,
    Field(discriminator="kind"),
]
