"""What ``--set`` changes, a point of a sweep changes: the same place alone, however the file repeats it."""

import json

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.sweeps.cells import SweepPlan

SCENARIO = """
name: shared
horizon: {n_jobs: 4}
sources:
  - &camera
    name: camera
    count: 2
    arrivals: &often {kind: renewal, interval_s: &gap {kind: exponential, mean: 1.0}}
    access: &medium {rate: 1.0e+8}
  - {<<: *camera, name: camera2}
  - name: cam.1
    arrivals: *often
    access: *medium
  - {name: "0", arrivals: {kind: periodic, period_s: 1.0, jitter_s: *gap}}
gateways: [{name: site, access: *medium}]
satellite_link: {kind: constant, rate_bps: 1.0e+7}
schemes: [{name: bare, codec: {kind: sizes, size_bits: *gap}}]
"""


def written(tmp_path, text=SCENARIO):
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def as_point(path, values):
    block = {"design": [{"kind": "list", "points": [values]}]}
    with path.open("a", encoding="utf-8") as file:
        file.write(f"sweep: {json.dumps(block, ensure_ascii=False)}\n")
    return SweepPlan(path).cell(0, 0).scenario()


@pytest.mark.parametrize(
    ("where", "value", "changed"),
    [
        ("sources.camera.arrivals.interval_s.mean", 3.0, {"sources": {0}}),
        ("sources.camera2.access.rate", 1e-05, {"sources": {1}}),
        ("sources.camera2.arrivals", {"kind": "poisson", "rate_per_s": 0.5}, {"sources": {1}}),
        ('sources."cam.1".access.rate', 2e15, {"sources": {2}}),
        ("sources[2].arrivals.interval_s", 7, {"sources": {2}}),
        ('sources."0".arrivals.jitter_s.mean', 0.1, {"sources": {3}}),
        ("gateways.site.access", {"rate": 1e6, "queue": {"buffer": 3}}, {"gateways": {0}}),
        ("schemes[0].codec.size_bits.mean", 1e6, {"schemes": {0}}),
        ("description", "a beam \U0001f6f0 with \u2028 and 'quotes'", {"description": None}),
        ("start_utc", "2026-06-01T12:00:00-03:00", {"start_utc": None}),
    ],
)
def test_a_value_set_and_the_same_value_as_a_point_are_one_scenario(tmp_path, where, value, changed):
    path = written(tmp_path)
    before = load_scenario(path)
    after = load_scenario(path, [f"{where}={json.dumps(value, ensure_ascii=False)}"])
    assert after == as_point(path, {where: value})
    differing = {name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)}
    assert differing == set(changed)
    for section, indices in changed.items():
        if indices is not None:
            pairs = zip(getattr(before, section), getattr(after, section), strict=True)
            assert {index for index, (old, new) in enumerate(pairs) if old != new} == indices


def test_their_records_are_the_same_bytes(tmp_path):
    path = written(tmp_path)
    where = "sources.camera.arrivals.interval_s.mean"
    run_scenario(load_scenario(path, [f"{where}=3.0"]), tmp_path / "set", store=OutcomeStore())
    run_scenario(as_point(path, {where: 3.0}), tmp_path / "point", store=OutcomeStore())
    run_scenario(load_scenario(written(tmp_path)), tmp_path / "plain", store=OutcomeStore())
    records = "records/part-00000.parquet"
    of_set, of_point, plain = ((tmp_path / name / records).read_bytes() for name in ("set", "point", "plain"))
    assert of_set == of_point != plain


def test_a_name_that_looks_like_an_index_is_not_guessed(tmp_path):
    path = written(tmp_path)
    with pytest.raises(ScenarioError, match=r"0 is the index of one element and the name of another"):
        load_scenario(path, ["sources.0.n_jobs=2"])
    assert load_scenario(path, ["sources[0].n_jobs=2"]).sources[0].n_jobs == 2
    assert load_scenario(path, ['sources["0"].n_jobs=2']).sources[3].n_jobs == 2


def test_a_point_that_overwrites_its_own_value_is_refused(tmp_path):
    with pytest.raises(
        ScenarioError, match=r"sources\[0\].count overwrites what sources.camera.count has set"
    ):
        as_point(written(tmp_path), {"sources.camera.count": 3, "sources[0].count": 4})
    with pytest.raises(ScenarioError, match=r"background overwrites what background.load has set"):
        as_point(written(tmp_path), {"background.load": 0.1, "background": 0.4})


@pytest.mark.parametrize("where", ['"seed"', "[seed]", '"sweep".replications', ".seed"])
def test_no_spelling_of_the_seed_is_varied(tmp_path, where):
    with pytest.raises(ScenarioError, match="the sweep sets seeds itself"):
        as_point(written(tmp_path), {where: 3})


def test_a_mistake_in_what_is_repeated_names_a_line(tmp_path):
    path = written(tmp_path, SCENARIO.replace("count: 2", "count: none"))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    lines = str(caught.value).splitlines()
    # Line 7 holds the value, for the source that is written and for the one that repeats it.
    assert [line.split(": ")[0] for line in lines] == [f"{path}:7", f"{path}:7"]
