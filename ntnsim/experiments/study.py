"""What the learning experiments share: the person task in a simulated world, real outcomes, trained engines.

Engines learn from a log of real outcomes: many training photographs, each coded, restored and scored once at a drawn x,
in surroundings witnessed in the same simulated world. They are judged on photographs never trained on. Logs, tables
and engines are kept in one directory of work, which the experiments share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.build import build_bandit, requirement_from
from ntnsim.engine.outcome_log import LoggedOutcome, load_log, save_log
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment, Witness
from ntnsim.engine.spiff_engine import RIDGE, RIDGE_BESIDE_TRIALS
from ntnsim.engine.uniform import RandomPolicy
from ntnsim.experiments.accounts import Effort, effort_of
from ntnsim.experiments.offline import taught_from
from ntnsim.experiments.outcomes import axes_of, build_outcome_log, build_outcome_table
from ntnsim.experiments.stage import Stage
from ntnsim.experiments.targets import calibrated_targets, requirement_range
from ntnsim.experiments.whole_images import SOURCE, scores_of
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.results.own_files import own_path, write_own_text
from ntnsim.results.provenance import PICTURE_ROOMS, code_digest, digest
from ntnsim.results.read import find_runs
from ntnsim.runs import default_store, pictures_digest, run_scenario
from ntnsim.scenario.policy import (
    TABLE_III,
    LinearBanditSpec,
    NeuralContextualBanditSpec,
    RequirementSpec,
    SpiffEngineSpec,
)
from ntnsim.scenario.scenario import Scenario
from ntnsim.schemes import SchemeAssembly
from ntnsim.sky.space_segment import terminal_links
from ntnsim.streams import integer_seed, stream
from ntnsim.world.faults import satellite_outages
from ntnsim.world.world import World

TASK = {"segmenter": "truth", "bundle": "tiny"}
SPACES = {
    "spiff-paper": ConfigurationSpace(n_ranks=2, has_coarse_layer=False),
    "spiff": ConfigurationSpace(n_ranks=2, has_coarse_layer=True),
}
WITNESSED_IMAGES = 300  # decisions whose surroundings training draws from
HIDDEN_UNITS = 64  # of the engine: for a log of hundreds as good as 256, at a quarter of the time
# Of the engine's critics, a tenth of the default: online, at 1e-3, they unlearn what least squares know of photographs
# that they have not seen. Offline it makes no difference.
CRITIC_LEARNING_RATE = 1e-4
CALIBRATED_ON = 60  # training photographs that JPEG q45 is scored on, for the targets
# α of Eq. 5, of engine and least squares: the share of requests that may be missed.
RISK_LEVEL = 0.05
EXPECTED = 0.5  # `expected_share` of the engine; chosen, as α, by cross-validation over logged photographs
# What the gateway codes on trial for `spiff`: layers at three q about what the targets ask for, restored as the data
# network will, and the whole image.
TRIALS = {"trial": (0.3, 0.5, 0.75), "trial_whole": True, "trial_restored": True}
HELD = 1e9  # a ridge, in deliveries, beside which no log moves a coefficient
# Of the crop of `spiff`: the top rank fares no worse than under JPEG q45, the benchmark (the codec's own 62 gives it a
# quarter of that distance, at twice the bits). Tables show its PF beside the savings.
CROP = {"codec": "avif", "quality": 45, "full_chroma": True, "loop_filters": False}
TOP_SHARE = 0.0  # the top rank's target is what JPEG q45 reaches for it on all but this share of photographs


@dataclass(frozen=True)
class Study:
    """Scale and place of an experiment.

    data: directory of the person photographs (index.csv); out: where table, figure and caption go; work: where the
    experiments share what they have computed. n_logged: training photographs in a log; n_test: photographs judged on;
    seeds: of the training; rival_seeds: with how many of them rivals and variants learn (all);
    training_images: deliveries that an engine learns from online, in fig12 and adapt.
    inpaint: the decoder's inpainting, as in a scenario's codec; period_s: gap between two images; load: background.
    final: judge on the photographs that are set aside for the final tables (`val`), else on training photographs that
    follow the logged ones.
    task: the scenario's `task` without the relevance: bundle, segmenter, judges. table_iii: targets as the paper prints
    them, for LPIPS and CLIP, instead of calibrated ones. kind: the codec, where an experiment has a choice.
    """

    data: Path
    out: Path
    work: Path
    n_logged: int = 400
    n_test: int = 30
    seeds: Sequence[int] = (0, 1)
    rival_seeds: int | None = None
    training_images: int = 2000
    inpaint: Mapping[str, Any] = field(default_factory=lambda: {"method": "bundle"})
    period_s: float = 12.0
    load: float = 0.3
    box_growth: Sequence[float] = (0.0, 0.4, 1.0)
    patches: Sequence[float] = (0.0, 0.2, 1.0)
    coarse: Sequence[float] = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
    final: bool = False
    task: Mapping[str, Any] = field(default_factory=lambda: dict(TASK))
    table_iii: bool = False
    kind: str = "spiff"
    say: Stage = field(default_factory=Stage)

    @property
    def judged_on(self) -> dict[str, Any]:
        """Which photographs policies are judged on, as `scenario` takes it."""
        if self.final:
            return {"split": "val", "n_images": self.n_test}
        return {"split": "train", "skip": self.n_logged, "n_images": self.n_test}

    def learns(self, name: str, seed: int, always: Sequence[str]) -> bool:
        """Return whether policy *name* learns with *seed*: one of *always* with each, others with the first few."""
        return name in always or seed in self.seeds[: self.rival_seeds]

    def codec(self, kind: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return a scheme's codec entry, by its kind or as it is."""
        if not isinstance(kind, str):
            return dict(kind)
        if kind not in {*SPACES, "sc"}:
            return {"kind": kind}
        of_spiff = {"crop": CROP, **TRIALS} if kind == "spiff" else {}
        return {"kind": kind, "inpaint": dict(self.inpaint), **of_spiff}

    def scenario(
        self,
        schemes: Sequence[Mapping[str, Any]],
        *,
        split: str = "train",
        skip: int = 0,
        n_images: int | None = None,
        load: float | Mapping[str, Any] | None = None,
        area: tuple[float, float] = (0.2, 0.6),
    ) -> Scenario:
        """Return the world: a camera in Parma, satellites at 600 km in S band, one T4; each photograph taken in turn.

        split: the photographs of the index that are used, without the first *skip*; area: share of the image that
        persons take. load: what others take of the beam, as a scenario's `background` says it.
        """
        wanted = self.n_test if n_images is None else n_images
        return Scenario.model_validate(
            {
                "name": "learning",
                "seed": 11,
                "sources": [
                    {
                        "name": SOURCE,
                        "images": "persons",
                        "arrivals": {"kind": "trace", "times_s": [i * self.period_s for i in range(wanted)]},
                    }
                ],
                "datasets": {
                    "persons": {
                        "kind": "persons",
                        "path": str(self.data.resolve()),
                        "split": split,
                        "area": {"minimum": area[0], "maximum": area[1]},
                        "skip": skip,
                    }
                },
                "task": {"relevance": {"preset": "person"}, **self.task},
                "gateways": [
                    {
                        "name": "parma",
                        "latitude_deg": 44.80,
                        "longitude_deg": 10.33,
                        "access": {"rate": 10e6, "propagation_s": 0.002},
                    }
                ],
                "space": {"constellation": {"kind": "preset", "name": "leo-600"}},
                "radio": {"band": "s", "direction": "ul", "channel": {"mode": "link_budget"}},
                "background": self.load if load is None else load,
                "delivery": {"rate": 50e6, "propagation_s": 0.01},
                "output": {"gallery_images": 0, "timeline_step_s": None},
                "schemes": list(schemes),
            }
        )

    def table(
        self, kind: str, *, split: str, n_images: int, skip: int = 0, area: tuple[float, float] = (0.2, 0.6)
    ) -> OutcomeTable:
        """Return the outcome table of a codec over *n_images* photographs; built once, then read from *work*."""
        # q, which matters most, has a fine axis, with points beside q = 0, where the layer is gone and PF jumps. Over β
        # PF bends: halfway it lies 0.01 to 0.14 above the line from end to end. Over p it is near linear.
        space = SPACES[kind]
        box_growth, patches = self.box_growth, self.patches
        if space.has_coarse_layer:
            box_growth, patches = (0.0, 0.5, 1.0), (0.0, 1.0)
        axes = axes_of(space, box_growth=box_growth, patches=patches, coarse=self.coarse)
        path = self._path("table", kind, f"{split}-{skip}-{area[0]:g}-{area[1]:g}-{n_images}", repr(axes))
        if not path.is_file():
            pipeline = self.pipeline(kind, split=split, skip=skip, n_images=n_images, area=area)
            progress = self._progress(f"table of {kind}, {split}")
            build_outcome_table(pipeline, space, SOURCE, n_images, axes, progress).save(path)
        return OutcomeTable.load(path)

    def log(self, kind: str) -> list[LoggedOutcome]:
        """Return the log of a codec over the training photographs; built once, then read from *work*."""
        space = SPACES[kind]
        path = self._path("log", kind, f"train-{self.n_logged}", "")
        if not path.is_file():
            pipeline = self.training_pipeline(kind, self.n_logged)
            progress = self._progress(f"log of {kind}")
            rng = stream(0, "log", kind)
            n_draws = space.dimension - 1  # one more dimension, one more configuration of each photograph
            outcomes = build_outcome_log(
                pipeline, space, SOURCE, self.n_logged, rng, progress, n_draws=n_draws
            )
            save_log(outcomes, space, path)
        return load_log(space, path)

    def pipeline(
        self, kind: str | Mapping[str, Any], *, split: str, n_images: int, **world: Any
    ) -> ImagePipeline:
        """Return the real pipeline of a codec in this world."""
        schemes = [{"name": "coded", "codec": self.codec(kind)}]
        scenario = self.scenario(schemes, split=split, n_images=n_images, **world)
        pipeline = assembly_of(scenario).assemble(scenario.schemes[0]).pipeline
        assert isinstance(pipeline, ImagePipeline)
        return pipeline

    def training_pipeline(self, kind: str | Mapping[str, Any], n_images: int) -> ImagePipeline:
        """Return the real pipeline of a codec over the first *n_images* training photographs."""
        return self.pipeline(kind, split="train", n_images=n_images)

    def _path(self, what: str, kind: str, scale: str, more: str) -> Path:
        made_of = repr(
            (self.data.resolve(), self.codec(kind), sorted(self.task.items()), more)
        ) + code_digest(PICTURE_ROOMS)
        made_of += open_bundle(self.task["bundle"]).digest
        return self.work / "outcomes" / f"{what}-{kind}-{scale}-{digest(made_of)[:8]}.parquet"

    def _progress(self, what: str) -> Callable[[int, int], None]:
        self.say(what)

        def progress(done: int, wanted: int) -> None:
            self.say.moves_on(f"{what}: {done} of {wanted} pictures restored and scored")

        return progress

    def moments(self, load: float | None = None) -> tuple[Moment, ...]:
        """Return the surroundings of decisions in the world under *load*: random sizes, no pixels."""
        sizes = {
            "kind": "sizes",
            "size_bits": {"kind": "uniform", "low": 1e4, "high": 4e5},
            "source_bits": {"kind": "constant", "value": 1.2e6},
            "reconstructed_bits": {"kind": "constant", "value": 1.2e6},
            "steps": 10,
        }
        scenario = self.scenario([{"name": "pilot", "codec": sizes}], n_images=WITNESSED_IMAGES, load=load)
        imaging = assembly_of(scenario).assemble(scenario.schemes[0]).imaging
        witness = Witness(RandomPolicy(SPACES["spiff-paper"], stream(0, "pilot")))
        World(
            scenario,
            "pilot",
            imaging,
            witness,
            requirement_from(scenario.requirement),
            lambda columns: None,
            profile_sources=terminal_links(
                scenario, outage=satellite_outages(scenario.faults, scenario.seed)
            ),
        ).run()
        return witness.moments()

    def targets(self) -> dict[str, RequirementSpec]:
        """Return the three requirements: Table III's, or calibrated on JPEG q45 over training photographs."""
        if self.table_iii:
            return dict(TABLE_III)
        n_images = min(self.n_logged, CALIBRATED_ON)
        pipeline = self.training_pipeline("jpeg", n_images)
        scores = [seen for _, seen in scores_of(pipeline, SOURCE, n_images)]
        pf, sf = (np.array([getattr(score, name) for score in scores]) for name in ("pf_rank", "sf_rank"))
        return calibrated_targets(
            pf[:, 0],
            sf[:, 0],
            top_pf_min=float(np.quantile(pf[:, 1], TOP_SHARE)),
            top_sf_min=float(np.quantile(sf[:, 1], TOP_SHARE)),
        )

    def engine(
        self, targets: Mapping[str, RequirementSpec], codec: str | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Return the policy entry of the SPIFF engine that serves *targets* on a codec, this study's unless given."""
        codec = self.kind if codec is None else codec
        served = {"requirement_range": requirement_range(targets), "risk_level": RISK_LEVEL}
        scale = {"trial_state": codec == "spiff", "hidden_units": HIDDEN_UNITS, "expected_share": EXPECTED}
        scale |= {"critic_learning_rate": CRITIC_LEARNING_RATE, "calibrated": True}
        return {"kind": "spiff-engine", **served, **scale, **settings}

    def rival(self, kind: str, codec: str | None = None, **settings: Any) -> dict[str, Any]:
        """Return the policy entry of `ncb` or `linear` on a codec, this study's unless given: the engine's state, risk
        level and ridge.
        """
        tried = (self.kind if codec is None else codec) == "spiff"
        as_ours: dict[str, Any] = {}
        if kind == "linear":
            as_ours = {"risk_level": RISK_LEVEL, "ridge": RIDGE_BESIDE_TRIALS if tried else RIDGE}
        return {"kind": kind, "trial_state": tried, **as_ours, **settings}

    def trials_alone(self) -> dict[str, Any]:
        """Return the policy entry that follows the trials' curves of `spiff`; a log gives it margins and the delay.

        Least squares whose ridge holds them where they begin.
        """
        return self.rival("linear", "spiff", ridge=HELD)

    def taught(
        self,
        settings: Mapping[str, Any],
        kind: str,
        moments: Sequence[Moment],
        requirements: Sequence[RequirementSpec],
        seed: int,
    ) -> Bandit:
        """Return a policy that learned offline from the log of codec *kind*."""
        untaught = build_bandit(learner(settings), SPACES[kind], integer_seed(seed, "engine"))
        return self.teach(untaught, kind, moments, requirements, seed)

    def teach(
        self,
        engine: Bandit,
        kind: str,
        moments: Sequence[Moment],
        requirements: Sequence[RequirementSpec],
        seed: int,
    ) -> Bandit:
        """Let *engine* learn offline from the log of codec *kind*, and return it."""
        asked = [requirement_from(requirement) for requirement in requirements]
        return taught_from(self.log(kind), engine, moments, asked, stream(seed, "training"))

    def trained(
        self,
        name: str,
        settings: Mapping[str, Any],
        kind: str,
        moments: Sequence[Moment],
        requirements: Sequence[RequirementSpec],
        seed: int,
    ) -> tuple[Path, Effort]:
        """Return the directory of a policy that `taught` taught, and what learning and deciding took."""
        directory = self.work / "engines" / f"{name.replace(' ', '-')}-{seed}"
        log = self.log(kind)
        start_s = process_time()
        policy = self.taught(settings, kind, moments, requirements, seed)
        learning_s = process_time() - start_s
        policy.save(directory)
        images, networks = [seen.image for seen in log], [moment.network for moment in moments]
        return directory, effort_of(policy, learning_s, images, networks, requirement_from(requirements[0]))

    def records(self, schemes: Sequence[Mapping[str, Any]], name: str, **world: Any) -> pd.DataFrame:
        """Simulate *schemes* on the photographs that are judged on, and return the records."""
        directory = self.work / "runs" / name
        run_scenario(self.scenario(schemes, **{**self.judged_on, **world}), directory, force=True)
        [run] = find_runs([directory])
        return run.records().to_pandas()

    def write(self, name: str, caption: str, table: pd.DataFrame, draw: Callable[[Path], None]) -> None:
        """Write NAME.csv, its figure by *draw*, and NAME.md: what is shown, from what, and at what cost."""
        self.out.mkdir(parents=True, exist_ok=True)
        with own_path(self.out / f"{name}.csv") as path:
            table.round(6).to_csv(path, index=False)
        draw(self.out)
        facts = (
            f"Bundle `{self.task['bundle']}` {open_bundle(self.task['bundle']).digest[:12]}; segmentation by the "
            f"{self.task['segmenter']}; PF by {self.task.get('pf_backend', 'st-lpips')}, SF by "
            f"{self.task.get('sf_backend', 'efficientnet-lite0')}; targets "
            f"{'of Table III' if self.table_iii else 'calibrated on JPEG q45 over training photographs'}; "
            f"inpainting {dict(self.inpaint)}; crop of `spiff`: AVIF "
            f"q{CROP['quality']}; savings against the file as captured. Training seeds "
            f"{', '.join(map(str, self.seeds))}; {self.n_logged} logged photographs, judged on {self.n_test} others "
            f"{'set aside for this (`val`)' if self.final else 'of the training part'}; "
            f"{process_time():.0f} s of processor time, without "
            "what the outcome store held already."
        )
        write_own_text(self.out / f"{name}.md", f"{caption}\n\n{facts}\n")


def learner(settings: Mapping[str, Any]) -> SpiffEngineSpec | NeuralContextualBanditSpec | LinearBanditSpec:
    """Return the entity of a learning policy's entry."""
    if settings["kind"] == "ncb":
        return NeuralContextualBanditSpec.model_validate(settings)
    if settings["kind"] == "linear":
        return LinearBanditSpec.model_validate(settings)
    return SpiffEngineSpec.model_validate(settings)


def assembly_of(scenario: Scenario) -> SchemeAssembly:
    """Return the maker of *scenario*'s schemes; its outcomes are shared with runs of the same program."""
    return SchemeAssembly(scenario, default_store(), pictures_digest())
