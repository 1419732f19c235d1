"""The scenario: everything that one run simulates, and nothing about how it is computed.

The sections follow an image on its way: who takes it (sources, datasets), how it reaches the gateway, what carries it
(space, radio, satellite_link, background), who reconstructs it (data_network) and how it is delivered; then what
breaks (faults), what is asked (requirement) and what is compared (schemes).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    PositiveFloat,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from ntnsim.errors import ScenarioError
from ntnsim.scenario.background import BackgroundSpec, ConstantLoadSpec, mean_load
from ntnsim.scenario.codec import ComponentSpec
from ntnsim.scenario.complaint import complaint
from ntnsim.scenario.copies import copy_names
from ntnsim.scenario.dataset import DatasetSpec, SamplesDatasetSpec, TaskSpec
from ntnsim.scenario.entity import Entity, Name
from ntnsim.scenario.faults import FaultSpec
from ntnsim.scenario.idle import check_idle_time
from ntnsim.scenario.magnitudes import absurd_number
from ntnsim.scenario.override import set_at
from ntnsim.scenario.policy import RequirementSpec
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.satellite_link import OrbitLinkSpec, SatelliteLinkSpec
from ntnsim.scenario.scheme import SchemeSpec
from ntnsim.scenario.sites import SitesSpec, with_sites
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.start import StartUtc
from ntnsim.scenario.sweep import SweepSpec
from ntnsim.scenario.terrestrial import DataNetworkSpec, GatewaySpec, TerrestrialLinkSpec
from ntnsim.scenario.traffic import SourceSpec, images_per_s
from ntnsim.scenario.tree import tree_of

# Stand in for what sites would make, while those are not valid.
_ANY_GATEWAY = {"name": "site"}
_ANY_SOURCE = {"name": "site", "gateway": "site", "arrivals": {"kind": "poisson", "rate_per_s": 1.0}}


def _sites_or_both(schema: dict[str, Any]) -> None:
    """Say in the JSON *schema* that `sites` stand for gateways and sources: it tells of files as they are written."""
    made = ("sources", "gateways")
    schema["description"] = "One simulated world, and the schemes that are compared in it."
    schema["required"] = [key for key in schema["required"] if key not in made]
    schema["anyOf"] = [{"required": ["sites"]}, {"required": [*made]}]


MOST_IMAGES = 1e9  # of one source; a simulator takes a day for so many


class HorizonSpec(Entity):
    """When sources fall silent and when the run ends."""

    duration_s: PositiveFloat | None = None
    """Sources stop after this time. Without it, each source needs n_jobs or a trace."""
    n_jobs: int | None = Field(default=None, ge=1)
    """Images per source at most; a source may set its own."""
    drain: bool = True
    """Let what is on its way arrive after the last image was taken; false cuts the run off at duration_s."""
    drain_limit_s: PositiveFloat = 86_400.0
    """Longest time to wait for that; what is still on its way then is recorded as in flight."""


class StatisticsSpec(Entity):
    """How the summary treats a run's records."""

    warm_up_s: NonNegativeFloat | Literal["mser5"] = 0.0
    """Images taken before this time count in no mean; mser5 finds the time from the delays (White, 1997)."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Share of intervals that should hold the true value: of the summary, its tables and figures."""


class OutputSpec(Entity):
    """What a run keeps beside its records."""

    gallery_images: int = Field(default=4, ge=0)
    """Images per scheme whose original, received and reconstructed pictures are kept."""
    timeline_step_s: PositiveFloat | None = 10.0
    """Interval of the timeline's samples; null keeps none. After every 10,000 samples it doubles: long
    waits cost little."""


class FluidSpec(Entity):
    """How a world of ``fidelity: fluid`` is followed."""

    step_s: float = Field(default=30.0, ge=1, le=600)
    """Rates, satellites and queues are taken as steady for so long."""
    drain_s: NonNegativeFloat = 3600.0
    """How far beyond the end the sky is looked at for images that still wait then."""


class Scenario(Entity):
    """One simulated world, and the schemes that are compared in it.

    The keys are those of a scenario file, with units at the ends of their names; nested ones are mappings. Relative
    paths start from the working directory here, from its own directory in a file. A scenario does not change: `changed`
    and ``model_copy(update=…)`` return another. Raises ScenarioError, an `InputError`, with one line per mistake.

    >>> import ntnsim
    >>> scenario = ntnsim.Scenario(
    ...     name="drawn", horizon={"n_jobs": 9},
    ...     sources=[{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
    ...     gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    ...     schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e5}}])
    >>> len(ntnsim.run(scenario).records)
    9
    """

    # The schema and its reference tell of keys; what Python callers need is above.
    model_config = ConfigDict(json_schema_extra=_sites_or_both)

    name: Name
    """What results and figures are called by; also the name of the result directory under `results/`."""
    description: str = ""
    """What the scenario shows, in your words; kept with the results."""
    seed: int = Field(default=1, ge=0)
    """Decides every draw. The same seed gives the same bytes; a replication of a sweep has one of its own."""
    start_utc: StartUtc = datetime(2026, 1, 1, tzinfo=UTC)
    """The date and time at which simulated time is 0: it places satellites, sun and Earth. Another zone than Z is
    converted."""
    horizon: HorizonSpec = HorizonSpec()
    """How long images are taken, and when the run ends."""
    fidelity: Literal["images", "fluid"] = "images"
    """images: every image is a chain of events of its own. fluid: streams of images as rates and queues by their
    moments, for worlds of more images than events can follow; fixed policies only."""
    fluid: FluidSpec = FluidSpec()
    """Settings of a fluid world."""

    sites: SitesSpec | None = None
    """A map of traffic: many sites at once, each with a gateway and a source beside those written below, which may then
    be left out."""
    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    """Who takes images, and when."""
    datasets: dict[Name, DatasetSpec] = Field(default={"samples": SamplesDatasetSpec()}, min_length=1)
    """What sources photograph, by a name of your choice. Codecs of kind `sizes` take no photographs."""
    task: TaskSpec = TaskSpec()
    """What is seen in an image and how a reconstruction is judged."""
    gateways: tuple[GatewaySpec, ...] = Field(min_length=1)
    """Where images are segmented, encoded and sent up."""
    space: SpaceSegmentSpec = SpaceSegmentSpec()
    """Satellites, what they carry, and the ground stations."""
    radio: RadioSpec = RadioSpec()
    """The radio between gateway and satellite, for a `satellite_link` of `kind: orbit`."""
    satellite_link: SatelliteLinkSpec = OrbitLinkSpec()
    """Where the link's rate comes from, and how those who send share it."""
    background: BackgroundSpec = ConstantLoadSpec(load=0.0)
    """Load that others put on every beam: the constellation load."""
    data_network: DataNetworkSpec = DataNetworkSpec()
    """Who reconstructs images: how many GPUs, how fast, in which batches."""
    delivery: TerrestrialLinkSpec = TerrestrialLinkSpec()
    """The link from the data network to the user."""
    delivered_file: ComponentSpec = ComponentSpec(codec="jpeg", quality=90)
    """How the data network stores a reconstruction for the user. Whole-image files are passed on as they came."""
    faults: tuple[FaultSpec, ...] = ()
    """What breaks, and when."""

    requirement: RequirementSpec = RequirementSpec()
    """What the application asks of each image: deadline, targets and their weights."""
    schemes: tuple[SchemeSpec, ...] = Field(min_length=1)
    """What is compared: codecs with their policies, each in the same world."""

    statistics: StatisticsSpec = StatisticsSpec()
    """How the summary treats the records."""
    output: OutputSpec = OutputSpec()
    """What is kept beside the records."""
    sweep: SweepSpec | None = None
    """Values to try, for `ntnsim sweep`; `ntnsim run` leaves it aside."""

    @model_validator(mode="before")
    @classmethod
    def _sites_become_gateways(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, Mapping) or given.get("sites") is None:
            return given
        try:
            return with_sites(given, info.context, cls.model_fields["start_utc"].default)
        except ValidationError:  # the section's own check tells of it, with its line
            return {"gateways": [_ANY_GATEWAY], "sources": [_ANY_SOURCE]} | dict(given)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return the scenario with the sections of *update* in place of its own, checked as a whole.

        Raises ScenarioError where that is no valid scenario.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**kept | dict(update or {}))

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return the scenario with other *values*, by the paths that ``--set`` and sweeps name them by.

        Raises ScenarioError where a path leads nowhere, or a value is not allowed.

        >>> import ntnsim
        >>> scenario = ntnsim.Scenario(
        ...     name="drawn", horizon={"n_jobs": 9},
        ...     sources=[{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
        ...     gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
        ...     schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e5}}])
        >>> scenario.changed({"sources.a.arrivals.rate_per_s": 0.2, "seed": 7}).sources[0].arrivals.rate_per_s
        0.2
        """
        tree = tree_of(self)
        for path, value in values.items():
            set_at(tree, path, value)
        return type(self)(**tree)

    @property
    def service_radio(self) -> RadioSpec:
        """The radio in force: neighbouring beams are as busy as the background, unless the radio says otherwise."""
        if not self.radio.interference or self.radio.interference_load is not None:
            return self.radio
        load = mean_load(self.background, self.horizon.duration_s)
        return self.radio.model_copy(update={"interference_load": load})

    # The last "before" runs first.
    @model_validator(mode="before")
    @classmethod
    def _numbers_mean_something(cls, given: Any) -> Any:
        if problem := absurd_number(given):
            raise ValueError(problem)
        return given

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for section, names in (
            ("sources", [name for entity in self.sources for name in copy_names(entity.name, entity.count)]),
            (
                "gateways",
                [name for entity in self.gateways for name in copy_names(entity.name, entity.count)],
            ),
            ("schemes", [scheme.name for scheme in self.schemes]),
            ("faults", [fault.name for fault in self.faults]),
        ):
            _check_unique(section, names)
        gateways = {gateway.name for gateway in self.gateways}
        for index, source in enumerate(self.sources):
            if source.gateway is None and len(gateways) > 1:
                raise ValueError(
                    f"sources[{index}].gateway: there are {len(gateways)} gateways, name one of them"
                )
            if source.gateway is not None and source.gateway not in gateways:
                raise ValueError(
                    f"sources[{index}].gateway: {source.gateway!r} is not one of {', '.join(sorted(gateways))}"
                )
            if source.images is None and len(self.datasets) > 1:
                raise ValueError(
                    f"sources[{index}].images: there are {len(self.datasets)} datasets, name one of them"
                )
            if source.images is not None and source.images not in self.datasets:
                raise ValueError(
                    f"sources[{index}].images: {source.images!r} is not one of {', '.join(sorted(self.datasets))}"
                )
        return self

    @model_validator(mode="after")
    def _ranks_agree(self) -> Self:
        for index, scheme in enumerate(self.schemes):
            try:
                scheme.check_ranks(self.task.relevance.n_ranks, self.requirement)
            except ValueError as error:
                raise ValueError(f"schemes[{index}].{error}") from None
        return self

    @model_validator(mode="after")
    def _beams_are_shared_in_one_way(self) -> Self:
        channels = self.space.shared_channels
        if channels is None or self.satellite_link.kind != "orbit":
            return self
        where = "space.payload: service_beams (or feeder.channels)"
        for index, gateway in enumerate(self.gateways):
            if gateway.beam is not None:
                raise ValueError(
                    f"gateways[{index}].beam: {gateway.beam!r} would be shared twice; {where} shares satellites' beams "
                    "among whom they serve, leave one of them out"
                )
        if channels != 1.0 and self.satellite_link.sharing == "strict_priority":
            raise ValueError(f"satellite_link.sharing: strict_priority needs {where} of 1, got {channels:g}")
        if channels != 1.0 and self.satellite_link.per_image_flows:
            raise ValueError(
                f"satellite_link.per_image_flows: would let one terminal take several beams; needs {where} of 1, "
                f"got {channels:g}"
            )
        return self

    @model_validator(mode="after")
    def _written_links_have_no_satellites(self) -> Self:
        if self.satellite_link.kind in ("constant", "windows", "trace"):
            for index, fault in enumerate(self.faults):
                if fault.kind == "satellite" and fault.target != "*":
                    raise ValueError(
                        f"faults[{index}].target: satellite_link.kind {self.satellite_link.kind} names no satellites; "
                        f"allowed is '*', got {fault.target!r}"
                    )
        return self

    @model_validator(mode="after")
    def _idle_time_is_short(self) -> Self:
        check_idle_time(self, self.output.timeline_step_s)
        return self

    @model_validator(mode="after")
    def _every_source_ends(self) -> Self:
        for index, source in enumerate(self.sources):
            n_jobs = source.n_jobs or self.horizon.n_jobs or inf
            ends_s = min(self.horizon.duration_s or inf, source.stop_s or inf)
            n_jobs = min(n_jobs, images_per_s(source.arrivals) * ends_s) if ends_s < inf else n_jobs
            if MOST_IMAGES < source.count * n_jobs < inf:
                raise ValueError(
                    f"sources[{index}]: would take {source.count * n_jobs:.3g} images until the end; allowed are "
                    f"{MOST_IMAGES:g}"
                )
        if self.horizon.duration_s is not None:
            return self
        if not self.horizon.drain:
            raise ValueError("horizon: drain: false needs duration_s, the time at which the run is cut off")
        for index, source in enumerate(self.sources):
            if source.arrivals.kind == "closed" and source.stop_s is None:
                raise ValueError(
                    f"horizon.duration_s: is required, as an image of the closed sources[{index}] may never come back"
                )
            ends = source.n_jobs or self.horizon.n_jobs or source.stop_s or source.arrivals.kind == "trace"
            if not ends:
                raise ValueError(
                    f"horizon.duration_s: is required, as sources[{index}] would send images for ever"
                )
        return self

    # Last, so that it wraps the checks above as well.
    @model_validator(mode="wrap")
    @classmethod
    def _complains_in_words(
        cls, given: Any, check: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Say what is wrong as for a file, where the scenario was written in code; `validated` does so itself."""
        if info.context is not None:
            return check(given)
        try:
            return check(given)
        except ValidationError as failure:
            raise ScenarioError(complaint(failure, cls, given, cls.__name__)) from None


def _check_unique(section: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{section}: the name {name!r} is used {count} times, copies included")
