"""What the learning experiments share: the person task in a simulated world, tables of outcomes, trained engines.

Training happens on outcome tables of training photographs in surroundings witnessed in the same simulated world;
judging happens in that world, on photographs never trained on, with every image really coded, restored and scored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.build import build_engine, requirement_from
from ntnsim.engine.checkpoint import save_engine
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Instance, Moment, Witness, learn_online
from ntnsim.engine.uniform import RandomPolicy
from ntnsim.experiments.outcomes import axes_of, build_outcome_table
from ntnsim.experiments.targets import calibrated_targets
from ntnsim.results.provenance import code_digest, digest, package_versions
from ntnsim.results.read import find_runs
from ntnsim.run import default_store, run_scenario
from ntnsim.scenario import policy as spec
from ntnsim.scenario.scenario import Scenario
from ntnsim.schemes import SchemeAssembly
from ntnsim.spiff.bundle import open_bundle
from ntnsim.spiff.configuration import ConfigurationSpace
from ntnsim.streams import integer_seed, stream
from ntnsim.world.build import simulate
from ntnsim.world.space_segment import TerminalLink, terminal_profile_source

SOURCE = "camera"
BUNDLE = "tiny"
SPACES = {
    "spiff-paper": ConfigurationSpace(n_ranks=2, has_coarse_layer=False),
    "spiff": ConfigurationSpace(n_ranks=2, has_coarse_layer=True),
}
WITNESSED_IMAGES = 300  # decisions whose surroundings training draws from
TOP_SHARE = (
    0.05  # the top rank's target is what the codec reaches for it, by itself, on all but this share of images
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Study:
    """Scale and place of an experiment.

    data: directory of the person photographs (index.csv); n_train, n_test: photographs used; seeds: of the training.
    inpaint: the decoder's inpainting, as in a scenario's codec; period_s: gap between two images; load: background.
    """

    data: Path
    out: Path
    n_train: int = 24
    n_test: int = 24
    seeds: Sequence[int] = (0, 1, 2)
    training_images: int = 3000
    inpaint: Mapping[str, Any] = field(default_factory=lambda: {"method": "bundle"})
    period_s: float = 12.0
    load: float = 0.3
    box_growth: Sequence[float] = (0.0, 0.25, 1.0)
    patches: Sequence[float] = (0.0, 0.15, 0.5, 1.0)
    coarse: Sequence[float] = (0.0, 0.15, 0.4, 1.0)
    say: Say = print

    def codec(self, kind: str) -> dict[str, Any]:
        """Return a scheme's codec entry."""
        return {"kind": kind, "inpaint": dict(self.inpaint)} if kind in {*SPACES, "sc"} else {"kind": kind}

    def scenario(
        self,
        schemes: Sequence[Mapping[str, Any]],
        *,
        split: str = "val",
        n_images: int | None = None,
        load: float | None = None,
        area: tuple[float, float] = (0.2, 0.6),
    ) -> Scenario:
        """Return the world: a camera in Parma, satellites at 600 km in S band, one T4; each photograph taken in turn.

        split: the photographs of the index that are used; area: share of the image that persons take.
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
                    }
                },
                "task": {"relevance": {"preset": "person"}, "segmenter": "truth", "bundle": BUNDLE},
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
        self, kind: str, *, split: str, n_images: int, area: tuple[float, float] = (0.2, 0.6)
    ) -> OutcomeTable:
        """Return the outcome table of a codec over *n_images* photographs; built once, then read from *out*."""
        made_of = repr((self.data, dict(self.inpaint), self.box_growth, self.patches, self.coarse))
        made_of += code_digest() + open_bundle(BUNDLE).digest
        name = f"table-{kind}-{split}-{area[0]:g}-{area[1]:g}-{n_images}-{digest(made_of)[:8]}.parquet"
        path = self.out / "tables" / name
        if path.is_file():
            return OutcomeTable.load(path)
        scenario = self.scenario(
            [{"name": "table", "codec": self.codec(kind)}], split=split, n_images=n_images, area=area
        )
        pipeline = assembly_of(scenario).assemble(scenario.schemes[0]).pipeline
        assert pipeline is not None
        space = SPACES[kind]
        axes = axes_of(space, box_growth=self.box_growth, patches=self.patches, coarse=self.coarse)
        table = build_outcome_table(
            pipeline,
            space,
            SOURCE,
            n_images,
            axes,
            lambda done, n: self.say(f"{kind} {split}: image {done} of {n}"),
        )
        table.save(path)
        return OutcomeTable.load(path)

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
        simulate(
            scenario,
            "pilot",
            imaging,
            witness,
            requirement_from(scenario.requirement),
            lambda columns: None,
            profile_sources=links_of(scenario),
        )
        return witness.moments()

    def targets(self, table: OutcomeTable) -> dict[str, spec.Requirement]:
        """Return the three requirements, calibrated on JPEG q45 over the training photographs."""
        scenario = self.scenario(
            [{"name": "jpeg", "codec": {"kind": "jpeg", "quality": 45}}], split="train", n_images=self.n_train
        )
        pipeline = assembly_of(scenario).assemble(scenario.schemes[0]).pipeline
        assert pipeline is not None
        configuration = SPACES["spiff-paper"].configuration((0.0, 0.0))
        names = [pipeline.capture(SOURCE, index).image_id for index in range(self.n_train)]
        for name in names:
            pipeline.encode(name, configuration)
            pipeline.expect(name, configuration)
        scores = [pipeline.reconstruct(name, configuration) for name in names]
        # What the top rank reaches by itself: tight box, no patches, best coarse layer if the codec has one.
        alone = (slice(None), 0, 0, -1) if table.space.has_coarse_layer else (slice(None), 0, 0)
        top_pf, top_sf = (
            float(np.quantile(values[alone][:, 1], TOP_SHARE)) for values in (table.pf, table.sf)
        )
        return calibrated_targets(
            [score.pf_rank[0] for score in scores],
            [score.sf_rank[0] for score in scores],
            top_pf_min=top_pf,
            top_sf_min=top_sf,
        )

    def records(self, schemes: Sequence[Mapping[str, Any]], name: str, **world: Any) -> pd.DataFrame:
        """Simulate *schemes* on the test photographs and return the records."""
        directory = self.out / "runs" / name
        run_scenario(self.scenario(schemes, **world), directory)
        [run] = find_runs([directory])
        return run.records().to_pandas()


def requirement_range(targets: Mapping[str, spec.Requirement]) -> dict[str, Any]:
    """Return the span of requirements that covers *targets* with some room."""
    pf_low = min(min(target.pf_min) for target in targets.values())
    sf_low = min(min(target.sf_min) for target in targets.values())
    heaviest = max(max(*target.lambda_pf, *target.lambda_sf) for target in targets.values())
    return {
        "pf_min": (max(pf_low - 0.2 * (1.0 - pf_low), 0.0), 1.0),
        "sf_min": (max(sf_low - 0.2 * (1.0 - sf_low), 0.0), 1.0),
        "weight": (0.1, max(10.0, 1.5 * heaviest)),
    }


def trained(
    entity: spec.SpiffEngine | spec.NeuralContextualBandit,
    instance: Instance,
    requirements: Sequence[spec.Requirement],
    n_images: int,
    seed: int,
    directory: Path | None = None,
) -> Bandit:
    """Return an engine that learned online from *n_images* outcomes of *instance*; saved to *directory* if given."""
    engine = build_engine(entity, instance.space, integer_seed(seed, "engine"))
    asked = [requirement_from(requirement) for requirement in requirements]
    learn_online(engine, instance, asked, n_images, stream(seed, "training"))
    if directory is not None:
        save_engine(engine, directory)
    return engine


def assembly_of(scenario: Scenario) -> SchemeAssembly:
    """Return the maker of *scenario*'s schemes; its outcomes are shared with runs of the same program."""
    versions = digest({"code": code_digest(), "packages": package_versions()})
    return SchemeAssembly(scenario, Path(), default_store(), versions)


def links_of(scenario: Scenario) -> dict[str, TerminalLink]:
    """Return the satellite link of every gateway, if satellites fly in this scenario."""
    if scenario.satellite_link.kind != "orbit":
        return {}
    return {
        gateway.name: terminal_profile_source(
            scenario.space, scenario.radio, gateway, scenario.seed, start_utc=scenario.start_utc
        )
        for gateway in scenario.gateways
    }
