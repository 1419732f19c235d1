"""Whatever validates, runs: each key of the schema, with each value that is a choice, in a scenario of its own."""

import csv
import json

import numpy as np
import pytest
from minimal_scenarios import Walk
from PIL import Image

from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.errors import InputError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.named_files import check_files
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import validated
from ntnsim.scenario.scenario import Scenario

BASE = {
    "name": "minimal",
    "horizon": {"n_jobs": 2, "drain_limit_s": 900},
    "sources": [{"name": "a", "arrivals": {"kind": "periodic", "period_s": 5}}],
    "gateways": [{"name": "a"}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e6},
    "schemes": [{"name": "a", "codec": {"kind": "sizes", "size_bits": 1e5}}],
    "output": {"timeline_step_s": None},
}
ORBIT = {"satellite_link": {"kind": "orbit"}}
FEW_PIXELS = {"a": {"kind": "samples", "width_px": 48, "height_px": 32}}
PIXELS = {"horizon": {"n_jobs": 1}, "datasets": FEW_PIXELS}
PICTURES = {**PIXELS, "schemes": [{"name": "a", "codec": {"kind": "jpeg"}}]}
PHOTOGRAPHS = {"schemes": PICTURES["schemes"], "horizon": {"n_jobs": 1}}
STATION = {"name": "a", "latitude_deg": 0, "longitude_deg": 0}

WRITTEN = {
    "Scenario.start_utc": "2026-03-01T12:00:00Z",
    "HorizonSpec.drain_limit_s": 5.0,
    "GridSitesSpec.step_deg": 80,
    "GridSitesSpec.latitudes_deg": [0, 90],
    "GridSitesSpec.longitudes_deg": [0, 160],
    "FileSitesSpec.path": "sites.csv",
    "SiteSourceSpec.n_jobs": 1,
    "FolderDatasetSpec.path": "images",
    "FolderDatasetSpec.masks": "masks",
    "PersonsDatasetSpec.path": "persons",
    "CocoStuffDatasetSpec.images": "images",
    "CocoStuffDatasetSpec.stuff_maps": "maps",
    "CocoStuffDatasetSpec.annotations": "annotations.json",
    "Mastr1325DatasetSpec.images": "images",
    "Mastr1325DatasetSpec.masks": "water",
    "AerialDatasetSpec.path": "aerial",
    "TaskSpec.bundle": "tiny",
    "SpiffEngineSpec.checkpoint": "engine",
    "GatewaySpec.device": "xeon-2vcpu",
    "DataNetworkSpec.device": "tesla-t4",
    "RadioSpec.case": "SC9",
    "RadioSpec.carrier_hz": 2.2e9,
    "RadioSpec.bandwidth_hz": 1e6,
    "TraceLinkSpec.times_s": [0, 10],
    "TraceLinkSpec.bps": [1e6, 2e6],
    "TraceLinkSpec.path": "rates.csv",
    "TraceSpec.path": "trace.csv",
    "TrackSpec.path": "track.csv",
    "TrackSpec.waypoints": [
        {"time_s": 0, "latitude_deg": 0, "longitude_deg": 0},
        {"time_s": 600, "latitude_deg": 1, "longitude_deg": 0},
    ],
    "ElementSetConstellationSpec.path": "elements.tle",
    "OraclePolicySpec.table": "table.parquet",
    "CustomLinkSpec.options": {"rate_bps": 1e6},
    "CustomLinkSpec.class": "own_part_of_options:Channel",
    "CustomPolicySpec.options": {"share": 0.5},
    "CustomPolicySpec.class": "own_part_of_options:Thrifty",
    "CustomCodecSpec.options": {},
    "PointListSpec.points": [{"gateways.a.servers": 3}],
    "GridSpec.parameters": {"gateways.a.servers": [3]},
    "GridSpec.labels": {"gateways.a.servers": ["three"]},
    "ZipSpec.parameters": {"gateways.a.servers": [3]},
    "RequirementSpec.pf_min": [0.5, 0.5],
    "RequirementSpec.sf_min": [0.5, 0.5],
    "RequirementSpec.lambda_pf": [1, 1],
    "RequirementSpec.lambda_sf": [1, 1],
    "RequirementChangeSpec.pf_min": [0.5, 0.5],
    "RequirementChangeSpec.sf_min": [0.5, 0.5],
    "RequirementChangeSpec.lambda_pf": [1, 1],
    "RequirementChangeSpec.lambda_sf": [1, 1],
    "MmppSpec.transitions": [[0, 1], [1, 0]],
    "ProfileSpec.step_s": 1.0,
    "RangeSpec.high": 3.0,
    "ServerFaultSpec.time_to_failure_s": {"kind": "exponential", "mean": 1},
    "SourceSpec.images": "a",
    "SiteSourceSpec.images": "samples",
    "PlusGridLinksSpec.update_interval_s": 60,
    "RangeSpec.choices": [1, 2],
}
# The ISS of skyfield's documentation.
ELEMENTS = """\
1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082
2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473
"""
OWN_PARTS = """\
import numpy as np
import ntnsim


class Thrifty(ntnsim.Policy):
    def __init__(self, space, seed, share=0.1):
        self.share = share

    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (self.share,)))


class Channel:
    def __init__(self, rate_bps=1e6):
        self.rate_bps = rate_bps

    def __call__(self, gateway):
        return lambda start_s: ntnsim.RateProfile.of_rates(start_s, 1.0, np.full(600, self.rate_bps))


class Whole(ntnsim.Codec):
    name, digest = "whole", "whole-1"
    space = ntnsim.ConfigurationSpace(2, has_coarse_layer=False)

    def encode(self, pixels, rank_map, configuration, seed):
        return ntnsim.EncodedImage(pixels.tobytes(), (0, 0), 8 * pixels.size)

    def decode(self, payloads, seeds):
        return [np.frombuffer(payload, np.uint8).reshape(32, 48, 3) for payload in payloads]
"""
ANNOTATIONS = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 32, "height": 24}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "area": 64,
            "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]],
        }
    ],
    "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
}
OUTAGE = {"outages": [{"start_s": 1, "duration_s": 2}]}
RANDOM_FAULT = {"outages": [], "time_to_failure_s": 1, "time_to_repair_s": 1}
GRID = {"inter_satellite_links": {"kind": "plus_grid"}, "ground_stations": [STATION]}
INTERVAL = {"choices": None, "low": 1, "high": 2}
BESIDE = {
    "SourceSpec": {"n_jobs": 2},
    "HorizonSpec": {"duration_s": 8},
    "HorizonSpec.duration_s=None": {"n_jobs": 2},
    "GridSitesSpec": {"longitudes_deg": [0, 90]},
    "FolderDatasetSpec.mask": {"masks": "masks"},
    "CocoStuffDatasetSpec": {"stuff_maps": "maps"},
    "CocoStuffDatasetSpec.annotations": {"stuff_maps": None},
    "PersonsDatasetSpec": {"area": None},
    "PersonsDatasetSpec.area": {"area": None},
    "RelevanceSpec.ranks": {"preset": None},
    "RelevanceSpec.preset=None": {"ranks": {"person": 1}},
    "RelevanceSpec.default_rank": {"preset": None, "ranks": {"person": 1}},
    "TrackSpec": {"path": "track.csv"},
    "TrackSpec.waypoints": {"path": None},
    "ObservationSpec.delay_s": {"report_period_s": 1},
    "RegenerativePayloadSpec.buffer_bits": {"feeder_rate_bps": 1e6},
    "RadioSpec.subcarrier_spacing_khz=120": {"band": "ka"},
    "RadioSpec.interference_load": {"interference": True},
    "RadioSpec.interference_tiers": {"interference": True},
    "TraceLinkSpec": {"path": "rates.csv"},
    "TraceLinkSpec.times_s": {"bps": [1e6, 2e6], "path": None},
    "TraceLinkSpec.bps": {"times_s": [0, 1], "path": None},
    "TraceLinkSpec.period_s": {"path": None, "times_s": [0], "bps": [1e6]},
    "TraceRateSpec": {"path": "rates.csv"},
    "CustomLinkSpec": {"kind": "python", "class": "own_part_of_options:Channel"},
    "CustomPolicySpec": {"kind": "python", "class": "own_part_of_options:Thrifty"},
    "CustomCodecSpec": {"kind": "python", "class": "own_part_of_options:Whole"},
    "BatchingSpec.min_size": {"max_size": 4, "max_wait_s": 1},
    "GaussMarkovRateSpec": {"mean_bps": 1e6, "std_bps": 1e4},
    "MmppSpec.transitions": {"rates_per_s": [1, 1], "mean_stays_s": [1, 1]},
    "TraceSpec": {"path": "trace.csv"},
    "TraceSpec.times_s": {"path": None},
    "SpiffEngineSpec": {"warm_up_images": 8, "hidden_units": 8, "replay_capacity": 64},
    "NeuralContextualBanditSpec": {"warm_up_images": 8, "hidden_units": 8, "replay_capacity": 64},
    "LinearBanditSpec": {"warm_up_images": 8, "replay_capacity": 64},
    "SpiffCodecSpec": {"inpaint": {"method": "telea"}},
    "SpiffCodecSpec.trial_restored": {"trial": 0.3},
    "SpiffPaperCodecSpec": {"inpaint": {"method": "telea"}},
    "SchemeSpec.policy": {"codec": BASE["schemes"][0]["codec"]},
    "RangeSpec": INTERVAL,
    "RangeSpec.choices": {"low": None, "high": None},
    "SweepSpec": {"replications": 2},
    "AdaptiveSpec": {"relative_half_width": 0.5},
    "AdaptiveSpec.half_width": {"relative_half_width": None},
    "RainFadeSpec": OUTAGE | {"rate_factor": 0.5},
    "RainFadeSpec.attenuation_db": {"rate_factor": None},
    **{f"{kind}FaultSpec": OUTAGE for kind in ("Server", "Link", "Relay", "Access")},
    **{f"ServerFaultSpec.time_to_{end}_s": RANDOM_FAULT for end in ("failure", "repair")},
    "SpaceSegmentSpec.inter_satellite_links=PlusGridLinksSpec": GRID,
    "SpaceSegmentSpec.feeder_switch=HardFeederSwitchSpec": {
        "ground_stations": [STATION, STATION | {"name": "b"}]
    },
}
WORLD = {
    "Scenario.space": ORBIT,
    "Scenario.radio": ORBIT,
    "Scenario.fidelity=fluid": {
        "horizon": {"duration_s": 60},
        "sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 1}}],
    },
    "Scenario.sites": {"sources": [], "gateways": [], "horizon": {"duration_s": 10, "drain_limit_s": 60}},
    "Scenario.datasets": PHOTOGRAPHS,
    "Scenario.task": PICTURES,
    "Scenario.delivered_file": PICTURES,
    "ReferenceTerminalSpec.name=vsat": {
        **ORBIT,
        "radio": {"band": "ka", "terminal": {"kind": "tr38821", "name": "vsat"}},
    },
    "AdaptationSpec.table=4": {**ORBIT, "radio": {"direction": "dl", "adaptation": {"table": 4}}},
    "RegenerativePayloadSpec.store_and_forward": {
        **ORBIT,
        "space": {
            "payload": {"kind": "regenerative", "store_and_forward": True},
            "ground_stations": [STATION],
        },
    },
    "FixedPolicySpec.coarse_quality": {
        **PIXELS,
        "schemes": [
            {
                "name": "a",
                "codec": {"kind": "spiff", "inpaint": {"method": "none"}},
                "policy": {"kind": "fixed", "coarse_quality": 0.5},
            }
        ],
    },
    "TaskSpec.segmenter=truth": {"datasets": {"a": {"kind": "folder", "path": "images", "masks": "masks"}}},
    "SchemeSpec.codec": PIXELS,
    "SourceSpec.arrivals=ClosedSpec": {"horizon": {"duration_s": 20}},
    "SourceSpec.images": {"datasets": FEW_PIXELS},
    **{f"Scenario.faults={kind}Spec": ORBIT for kind in ("LinkFault", "RainFade")},
    "Scenario.faults=RelayFaultSpec": ORBIT
    | {"space": {"payload": {"kind": "regenerative", "feeder_rate_bps": 1e6}}},
}
# What no run could serve, and the words that say so.
NO_FILE = "does not exist"
REFUSED = {
    "TaskSpec.pf_backend=lpips": "task: lpips_trunk: is required by pf_backend lpips",
    "TaskSpec.sf_backend=clip": "task: clip: is required by sf_backend clip",
    "TaskSpec.lpips_trunk=a": NO_FILE,
    "TaskSpec.clip=a": NO_FILE,
    "CustomLinkSpec.kind=custom": "kind custom needs a name",
    "CustomLinkSpec.name=a": "kind python needs a class",
    "LinkFaultSpec.target=a": "target 'a' is none of the satellites",
    "RelayFaultSpec.kind=inter_satellite_link": "(there are none)",
    "RelayFaultSpec.kind=receiving_station": "(there are none)",
    "RelayFaultSpec.target=a": "target 'a' is none of",
    "RainFadeSpec.rate_factor=None": "give either attenuation_db or rate_factor",
    "MaskSpec.kind=palette": "does not say what is marked in a file of mode L",
    "MaskSpec.kind=alpha": "does not say what is marked in a file of mode L",
    "ElementSetConstellationSpec.format=omm-xml": "not valid omm-xml",
    "ElementSetConstellationSpec.format=omm-json": "not valid omm-json",
    "ElementSetConstellationSpec.format=omm-csv": "no column's name",
    "ElementSetConstellationSpec.format=omm-kvn": "not KEY = value",
    "ElementSetConstellationSpec.expected_satellites=2": "holds 1 satellites, 2 expected",
    "SpiffEngineSpec.trial_state=True": "codec sizes makes no trial encoding",
    "SpiffEngineSpec.warm_up=trials": "trials needs trial_state",
    "SpiffEngineSpec.evaluate=True": "needs a checkpoint",
    "SpiffEngineSpec.checkpoint=engine": NO_FILE,
    "AdaptiveSpec.relative_half_width=None": "give one of relative_half_width and half_width",
    "RangeSpec.low=None": "needs low < high (or choices)",
    "InpaintingSpec.device=a": "torch device 'a' cannot be used",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory of everything that a scenario may name, each as small as it can be."""
    root = tmp_path_factory.mktemp("files")
    photograph = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    halves = np.zeros((24, 32), np.uint8)
    halves[12:] = 1

    def save(name, values):
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(values).save(path)

    save("images/1.jpg", photograph)
    save("masks/1.png", halves)
    save("maps/1.png", halves)
    save("water/1m.png", halves)
    rows = [["file", "split", "dataset", "person_fraction"]]
    for name in ("val/1", "val/2", "train/3"):
        save(f"persons/{name}.jpg", photograph)
        save(f"persons/{name}.png", halves)
        rows.append([f"{name}.jpg", name.split("/")[0], "COCO 2017", 0.5])
    with (root / "persons/index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    save("aerial/images/1.jpg", photograph)
    save("aerial/masks/1.png", halves)
    (root / "aerial/classes.csv").write_text("index,name\n0,water\n1,person\n")
    (root / "annotations.json").write_text(json.dumps(ANNOTATIONS))
    (root / "trace.csv").write_text("time_s,image\n0,0\n2,0\n")
    (root / "sites.csv").write_text("latitude_deg,longitude_deg\n0,0\n1,1\n")
    (root / "rates.csv").write_text("time_s,bps\n0,1e6\n10,2e6\n")
    (root / "track.csv").write_text("time_s,latitude_deg,longitude_deg\n0,0,0\n600,1,0\n")
    (root / "elements.tle").write_text(ELEMENTS)
    grid = np.full((1, 2, 2), 1e5), *(np.full((1, 2, 2, 2), 0.9),) * 2
    image = ImageState((0.6, 0.4), 8_000_000, 512, 512)
    space = ConfigurationSpace(2, has_coarse_layer=False)
    OutcomeTable(space, ((0.0, 1.0),) * 2, ("a",), (image,), *grid).save(root / "table.parquet")
    (root / "own_part_of_options.py").write_text(OWN_PARTS)
    return root


def refusal(scenario, files, out):
    """Return why validation refuses *scenario*; None where it was run."""
    try:
        loaded = validated(Scenario, scenario, str(files / "s.yaml"))
        check_files(loaded)
    except InputError as error:
        return str(error)
    run_scenario(loaded, out, store=OutcomeStore(files / "store"))
    return None


OPTIONS = list(Walk(Scenario.model_json_schema(), BASE, WRITTEN, BESIDE, WORLD).options())


def test_options_cover_the_schema():
    assert len(OPTIONS) > 500
    names = {option.name for option in OPTIONS}
    assert set(REFUSED) <= names
    tried = {name.split("=")[0] for name in names}
    tabled = {place for table in (BESIDE, WORLD) for place in table if "." in place}
    assert tabled - tried - names == set()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("entity", dict.fromkeys(option.name.split(".")[0] for option in OPTIONS))
def test_options_run_or_are_refused_by_validation(entity, files, tmp_path):
    found, expected = {}, {}
    for number, option in enumerate(option for option in OPTIONS if option.name.startswith(f"{entity}.")):
        reason = refusal(option.scenario, files, tmp_path / str(number))
        if reason is not None or option.name in REFUSED:
            known = REFUSED.get(option.name, "to run")
            expected[option.name] = known
            found[option.name] = known if known in str(reason) else str(reason)
    assert found == expected
