"""The main job end to end, on small real images: what every run must hold, whatever the scenario."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import ntnsim
from ntnsim.api.run import run
from ntnsim.errors import InputError, ScenarioError
from ntnsim.images import pipeline as pipeline_module
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.configuration import Configuration
from ntnsim.results.checkpoint import what_is_kept
from ntnsim.results.record import COMPONENTS
from ntnsim.runs import run_scenario
from ntnsim.scenario.load import load_scenario
from ntnsim.schemes import SchemeAssembly
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.world.world import World

SMALL = """\
name: small
seed: 5
horizon: {n_jobs: 4}
sources:
  - name: harbour
    arrivals: {kind: periodic, period_s: 4}
  - name: road
    arrivals: {kind: poisson, rate_per_s: 0.5}
datasets:
  samples: {kind: samples, count: 6, width_px: 144, height_px: 104, other_every: 3}
gateways:
  - {name: parma, latitude_deg: 44.8, longitude_deg: 10.3, access: {rate: 1.0e+7, propagation_s: 0.002}}
data_network: {batching: {max_size: 3, max_wait_s: 0.2}}
delivery: {rate: 1.0e+7}
schemes:
  - name: spiff
    codec: {kind: spiff}
    policy: {kind: fixed, patch_fractions: 0.1, coarse_quality: 0.2}
  - name: paper
    codec: {kind: spiff-paper}
    policy: {kind: fixed, box_growth: 0.1, patch_fractions: 0.25}
  - name: jpeg
    codec: {kind: jpeg}
output: {gallery_images: 1}
"""


@pytest.fixture(scope="module")
def scenario_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def finished(scenario_file, tmp_path_factory):
    """The results of one run with an empty outcome store."""
    directory = tmp_path_factory.mktemp("runs") / "first"
    run_scenario(load_scenario(scenario_file), directory, store=OutcomeStore())
    return directory


def records(directory: Path):
    return pq.read_table(directory / "records").to_pandas()


def record_bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "records").glob("*.parquet"))}


def test_every_image_of_every_scheme_has_a_record(finished):
    counts = records(finished).groupby("scheme").size()
    assert counts.to_dict() == {"spiff": 8, "paper": 8, "jpeg": 8}


def test_delay_is_the_sum_of_its_five_components(finished):
    rows = records(finished)
    parts = sum(rows[f"{name}_{part}_s"] for name in COMPONENTS for part in ("wait", "service"))
    assert np.abs(parts - rows["delay_s"]).max() < 1e-9
    assert np.abs(rows["delivered_s"] - rows["created_s"] - rows["delay_s"]).max() < 1e-9
    assert (rows[[f"{name}_wait_s" for name in COMPONENTS]] >= -1e-12).all().all()


def test_bits_of_ranks_and_overhead_make_up_the_file(finished):
    rows = records(finished)
    assert (
        rows["bits_rank_0"] + rows["bits_rank_1"] + rows["overhead_bits"] == rows["transmitted_bits"]
    ).all()
    assert (rows["transmitted_bits"] % 8 == 0).all()
    assert np.allclose(rows["savings"], 1 - rows["transmitted_bits"] / rows["original_bits"], atol=0)


def test_schemes_meet_the_same_images_at_the_same_times(finished):
    rows = records(finished).sort_values(["job"])
    first, *others = [group.reset_index(drop=True) for _, group in rows.groupby("scheme")]
    for other in others:
        for column in ("job", "image_id", "created_s", "original_bits"):
            assert (first[column] == other[column]).all()


def test_trials_are_coded_scored_and_charged_each(scenario_file):
    codec = "codec: {kind: spiff, trial: [0.6, 0.3], trial_whole: true, inpaint: {method: telea}}"
    scenario = load_scenario(scenario_file, [f"schemes=[{{name: tried, {codec}}}]"])
    assembled = SchemeAssembly(scenario, OutcomeStore(), "code").assemble(scenario.schemes[0])
    assert assembled.imaging.work.before_decision == ("segmentation", *["trial"] * 3, "decision")
    capture = assembled.imaging.capture("harbour", 0)
    wanted = [Configuration(0.0, (0.0,), 0.3), Configuration(0.0, (0.0,), 0.6), Configuration(1.0, (0.0,))]
    assert [trial.configuration for trial in capture.state.trials] == wanted
    for trial in capture.state.trials:
        x = trial.configuration
        assert trial.size_bits == assembled.pipeline.encode(capture.image_id, x).size_bits
        # With a coarse layer and no network, every fill shows the same: layer and grain.
        fidelity = assembled.pipeline.reconstruct(capture.image_id, x)
        assert (trial.pf, trial.sf) == (fidelity.pf_rank, fidelity.sf_rank)
        assert 0.5 < trial.pf[0] < 1.0


def test_restored_trials_show_what_the_data_network_will_make_and_are_charged_for_it(scenario_file):
    codec = "codec: {kind: spiff, trial: [0.3, 0.6], trial_whole: true, trial_restored: true}"
    scenario = load_scenario(scenario_file, [f"schemes=[{{name: tried, {codec}}}]"])
    assembled = SchemeAssembly(scenario, OutcomeStore(), "code").assemble(scenario.schemes[0])
    stages = ("segmentation", *["trial"] * 3, *["trial_inpainting"] * 2, "decision")
    assert assembled.imaging.work.before_decision == stages
    capture = assembled.imaging.capture("harbour", 0)
    for trial in capture.state.trials:
        assembled.pipeline.encode(capture.image_id, trial.configuration)
        fidelity = assembled.pipeline.reconstruct(capture.image_id, trial.configuration)
        assert trial.pf == pytest.approx(fidelity.pf_rank, abs=1e-6)
        assert trial.sf == pytest.approx(fidelity.sf_rank, abs=1e-6)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("", "no layer is coded on trial"),
        ("trial: 0.3, caption: true, ", "a caption, which restoring depends on"),
    ],
)
def test_restored_trials_that_cannot_be_made_are_refused(scenario_file, wrong, told):
    with pytest.raises(ScenarioError, match=told):
        load_scenario(
            scenario_file,
            [f"schemes=[{{name: tried, codec: {{kind: spiff, {wrong}trial_restored: true}}}}]"],
        )


def test_an_engine_that_sees_trials_learns_in_the_world(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    codec = "codec: {kind: spiff, trial: 0.3, inpaint: {method: telea}}"
    engine = "policy: {kind: spiff-engine, trial_state: true, warm_up_images: 8, hidden_units: 16}"
    schemes = f"schemes=[{{name: plain, {codec.replace('0.3', '0')}}}, {{name: tried, {codec}, {engine}}}]"
    entries = [schemes, "horizon.n_jobs=6", "output.gallery_images=0"]
    run(scenario_file, tmp_path / "out", overrides=entries)
    rows = records(tmp_path / "out")
    assert (rows["state"] == "delivered").sum() == len(rows) == 24
    # xeon-2vcpu: 0.02 s and 1.5 s a megapixel, of 144x104 pixels; it segments in 1.3 s.
    waited = rows.groupby("scheme")["gw_comp_service_s"].mean()
    assert waited["tried"] - waited["plain"] == pytest.approx(0.042, abs=0.02)


def test_people_are_kept_better_than_their_surroundings(finished):
    rows = records(finished)
    people = rows[(rows["scheme"] == "spiff") & (rows["rank_fraction_1"] > 0.05)]
    assert len(people) >= 3
    assert (people["pf_rank_1"] > people["pf_rank_0"]).all()


def test_same_seed_gives_the_same_bytes_with_warm_store_and_other_batches(
    finished, scenario_file, tmp_path, monkeypatch
):
    scenario = load_scenario(scenario_file)
    monkeypatch.setattr(pipeline_module, "DECODE_AT_ONCE", 1)
    store = tmp_path / "store"
    for name in ("cold", "warm"):
        run_scenario(scenario, tmp_path / name, store=OutcomeStore(store))
        assert record_bytes(tmp_path / name) == record_bytes(finished)


def test_adding_a_scheme_leaves_the_others_alone(finished, scenario_file, tmp_path):
    alone = load_scenario(scenario_file, ["schemes=[{name: jpeg, codec: {kind: jpeg}}]"])
    run_scenario(alone, tmp_path / "alone", store=OutcomeStore())
    rows, before = records(tmp_path / "alone"), records(finished)
    assert rows.equals(before[before["scheme"] == "jpeg"].reset_index(drop=True))


def test_received_pixels_reach_the_user_exactly(scenario_file):
    scenario = load_scenario(scenario_file)
    assembly = SchemeAssembly(scenario, OutcomeStore(), "test")
    for scheme in scenario.schemes[:2]:
        made = assembly.assemble(scheme).pipeline
        capture = made.capture("road", 0)
        configuration = Configuration(0.2, (0.3,), 0.3 if scheme.name == "spiff" else 0.0)
        made.encode(capture.image_id, configuration)
        payload = made._payloads[capture.image_id, configuration]
        partial = decode_partial_image(payload)
        assert 0 < partial.known.mean() < 1
        reconstruction = made.pictures(capture.image_id, configuration).reconstruction
        assert np.array_equal(reconstruction[partial.known], partial.pixels[partial.known])


def test_results_directory_is_complete(finished):
    assert {path.name for path in finished.iterdir()} >= {
        "records", "summary.json", "provenance.json", "timeline.parquet", "images",
    }  # fmt: skip
    provenance = json.loads((finished / "provenance.json").read_text())
    assert provenance["scenario"]["seed"] == 5
    assert set(provenance["digests"]) == {"bundle", "code"}
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["pf_backend"] == "st-lpips"


SKY = """\
name: sky
start_utc: 2026-06-01T09:00:00Z
horizon: {duration_s: 240}
sources: [{name: camera, arrivals: {kind: periodic, period_s: 5}}]
gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3, device: instant}]
space: {constellation: {kind: preset, name: leo-600}}
data_network: {device: instant}
schemes: [{name: sizes, codec: {kind: sizes, size_bits: 5.0e+4}}]
"""


def test_another_satellite_takes_over_when_a_fault_takes_the_serving_one(tmp_path):
    file = tmp_path / "sky.yaml"
    file.write_text(SKY)
    run(file, tmp_path / "well")
    serving = records(tmp_path / "well").query("link_start_s > 50")["satellite"].iloc[0]
    fault = f"{{name: dead, kind: satellite, target: {serving}, outages: [{{start_s: 50, duration_s: 120}}]}}"
    run(file, tmp_path / "broken", overrides=[f"faults=[{fault}]"])
    meanwhile = records(tmp_path / "broken").query("50 < link_start_s < 170")
    assert len(meanwhile) > 15
    assert serving not in set(meanwhile["satellite"]) and "" not in set(meanwhile["satellite"])
    assert (meanwhile["ntn_comm_wait_s"] < 2).all()  # a handover, not two minutes of waiting
    timeline = pq.read_table(tmp_path / "broken" / "timeline.parquet").to_pandas()
    changes = timeline[(timeline["kind"] != "pass") & (timeline["quantity"] == "end_s")]
    assert ((changes["time_s"] >= 50) & (changes["time_s"] < 52) & (changes["text"] != serving)).any()
    assert {"pass", "sample", "fault"} <= set(timeline["kind"])
    assert (tmp_path / "broken" / "ground_track.json").is_file()


def test_a_fault_of_a_satellite_that_does_not_fly_is_refused(tmp_path):
    file = tmp_path / "sky.yaml"
    file.write_text(SKY)
    fault = "faults=[{name: f, kind: satellite, target: nobody, outages: [{start_s: 1, duration_s: 1}]}]"
    with pytest.raises(
        InputError, match="fault 'f': target 'nobody' is none of the satellites leo600-00-00 …"
    ):
        run(file, tmp_path / "out", overrides=[fault])


def test_element_sets_lie_beside_the_scenario_wherever_it_is_run_from(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = tmp_path / "sky.yaml"
    file.write_text(SKY)
    monkeypatch.chdir(elsewhere)
    element_sets = "space.constellation={kind: element_sets, path: mine.tle}"
    with pytest.raises(InputError, match=f"{re.escape(str(tmp_path))}/mine.tle"):
        run(file, tmp_path / "out", overrides=[element_sets])


ONLY_JPEG = ["schemes=[{name: jpeg, codec: {kind: jpeg}}]", "output.gallery_images=0", "horizon.n_jobs=1"]


def test_resume_returns_complete_results_and_refuses_another_scenarios(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    first = run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG).summary
    stamp = (tmp_path / "out" / "summary.json").stat().st_mtime_ns
    assert run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG, resume=True).summary == json.loads(
        json.dumps(first)
    )
    changed = [*ONLY_JPEG, "seed=6"]
    with pytest.raises(InputError, match="holds results of another scenario or seed; --force replaces them"):
        run(scenario_file, tmp_path / "out", overrides=changed, resume=True)
    with pytest.raises(InputError, match="holds the results of a finished run; --resume keeps them"):
        run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG)
    assert (tmp_path / "out" / "summary.json").stat().st_mtime_ns == stamp
    assert run(scenario_file, tmp_path / "out", overrides=changed, force=True).summary["seed"] == 6


def test_resume_refuses_results_of_another_bundle(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    bundle = tmp_path / "bundles" / "mine"
    shutil.copytree(open_bundle("tiny").directory, bundle)
    entries = [
        "schemes=[{name: spiff, codec: {kind: spiff, inpaint: {method: telea}}}]",
        "output.gallery_images=0",
        "horizon.n_jobs=1",
        f"task.bundle={bundle}",
    ]
    run(scenario_file, tmp_path / "out", overrides=entries)
    stamps = []
    for _ in range(2):
        run(scenario_file, tmp_path / "out", overrides=entries, resume=True)
        stamps.append((tmp_path / "out" / "summary.json").stat().st_mtime_ns)
    assert stamps[0] == stamps[1]
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Small real networks", "Other networks"))
    with pytest.raises(InputError, match="holds results of another model bundle"):
        run(scenario_file, tmp_path / "out", overrides=entries, resume=True)


def test_resume_makes_damaged_results_again_and_keeps_what_was_changed(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG)
    part = tmp_path / "out/records/part-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG, resume=True)
    assert part.read_bytes() == whole
    assert part.with_name("part-00000.parquet.changed").read_bytes() == whole[:-1]


def test_a_directory_with_other_files_is_not_overwritten(scenario_file, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(InputError, match="holds files that are not results of a run"):
            run(scenario_file, tmp_path, force=force)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_force_replaces_the_runs_files_and_leaves_those_put_beside_them(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    out = tmp_path / "out"
    run(scenario_file, out, overrides=[*ONLY_JPEG, "output.gallery_images=1"])
    mine = ["notes.md", "figures/mine.pdf", "images/holiday.png", "records/part.txt", "engines/jpeg/mine"]
    for name in mine:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    pictures = set((out / "images").glob("*-*.png"))
    assert pictures
    run(scenario_file, out, overrides=[*ONLY_JPEG, "seed=6"], force=True)
    assert {name: (out / name).read_text() for name in mine} == {name: name for name in mine}
    assert not any(path.exists() for path in pictures)  # the earlier run's, and the later one keeps none
    assert json.loads((out / "summary.json").read_text())["seed"] == 6
    assert not (out / ".ntnsim").exists()


def test_results_are_written_through_a_symbolic_link(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    run(scenario_file, tmp_path / "out", overrides=ONLY_JPEG)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk/summary.json").is_file()


def test_a_failing_run_leaves_earlier_results_alone(scenario_file, tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", "")
    only_jpeg = ["schemes=[{name: jpeg, codec: {kind: jpeg}}]", "output.gallery_images=0"]
    run(scenario_file, tmp_path / "out", overrides=only_jpeg)
    before = record_bytes(tmp_path / "out")

    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("ntnsim.scheme_worlds.World.run", fails)
    with pytest.raises(KeyboardInterrupt):
        run(scenario_file, tmp_path / "out", overrides=only_jpeg, force=True)
    assert record_bytes(tmp_path / "out") == before
    with pytest.raises(KeyboardInterrupt):
        run(scenario_file, tmp_path / "new", overrides=only_jpeg)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out/.ntnsim").exists()


def interrupt_world(monkeypatch, number):
    """Let the *number*-th world from now raise KeyboardInterrupt; return the list of schemes that run."""
    begun = []
    run_world = World.run

    def counted(world):
        begun.append(world._recorder._scheme)
        if len(begun) == number:
            raise KeyboardInterrupt
        return run_world(world)

    monkeypatch.setattr("ntnsim.scheme_worlds.World.run", counted)
    return begun


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }


def test_an_interrupted_run_goes_on_after_the_schemes_that_had_finished(
    finished, scenario_file, tmp_path, monkeypatch
):
    scenario = load_scenario(scenario_file)
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_world(patch, 3)
        run_scenario(scenario, out, store=OutcomeStore())
    assert [path.name for path in out.iterdir()] == [".ntnsim"]
    assert what_is_kept(out).startswith("kept: finished schemes (spiff, paper)")
    other = load_scenario(scenario_file, ["seed=6"])
    with pytest.raises(
        InputError,
        match=r"holds an interrupted run of another .*, with finished schemes \(spiff, paper\); --force",
    ):
        run_scenario(other, out, store=OutcomeStore())
    begun = interrupt_world(monkeypatch, 99)
    run_scenario(scenario, out, store=OutcomeStore())
    assert begun == ["jpeg"]
    assert files_of(out) == files_of(finished)


def test_kept_records_that_were_damaged_are_not_used(finished, scenario_file, tmp_path, monkeypatch):
    scenario = load_scenario(scenario_file)
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ntnsim.results.writer.ROWS_PER_PART", 4)
        interrupt_world(patch, 3)
        run_scenario(scenario, out, store=OutcomeStore())
    state = out / ".ntnsim/kept/state.json"
    state.write_text(state.read_text()[:-20])
    begun = interrupt_world(monkeypatch, 99)
    run_scenario(scenario, out, store=OutcomeStore())
    assert begun == ["spiff", "paper", "jpeg"]
    assert files_of(out) == files_of(finished)


class Learner(ntnsim.Policy):
    """Learns how many images were delivered; while it learns from the 50th, the user presses Ctrl-C."""

    learns = True

    def __init__(self) -> None:
        self.n_seen = self.n_half_seen = 0

    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.0, (0.0,)))

    def learn(self, delivered):
        self.n_half_seen += 1
        if self.n_half_seen == 50:
            signal.raise_signal(signal.SIGINT)
        self.n_seen += 1

    def save(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "seen").write_text(f"{self.n_seen} of {self.n_half_seen}")


@pytest.fixture
def ctrl_c_interrupts():
    """As in a shell's foreground; what a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def learned_until_interrupted(tmp_path):
    file = tmp_path / "sky.yaml"
    file.write_text(
        SKY.replace("duration_s: 240", "duration_s: 2400").replace(
            "schemes: [{name: sizes,", "schemes: [{name: sizes, policy: {kind: custom, name: learner},"
        )
    )
    with pytest.raises(KeyboardInterrupt):
        run(file, tmp_path / "out", policies={"learner": Learner()})
    return file


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_what_a_policy_had_learned_outlives_an_interruption(tmp_path):
    learned_until_interrupted(tmp_path)
    assert (tmp_path / "out/.ntnsim/engines/sizes/seen").read_text() == "50 of 50"  # not half a lesson
    assert "what sizes had learned" in what_is_kept(tmp_path / "out")


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_an_interrupted_run_with_parts_of_ones_own_begins_anew_and_keeps_its_records_until_then(tmp_path):
    file = learned_until_interrupted(tmp_path)
    left = ntnsim.load(tmp_path / "out/.ntnsim/unfinished")
    assert len(left) >= 49
    with pytest.raises(
        InputError, match=r"interrupted run of another .* records of sizes, unfinished; --force"
    ):
        run(file, tmp_path / "out", policies={"learner": Learner()}, overrides=["seed=8"])
    with pytest.raises(KeyboardInterrupt):
        run(file, tmp_path / "out", policies={"learner": Learner()}, resume=True)
    assert ntnsim.load(tmp_path / "out/.ntnsim/unfinished").equals(left)


TWO = """\
name: two
horizon: {n_jobs: 20000}
sources: [{name: a, arrivals: {kind: poisson, rate_per_s: 0.5}}]
gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3, device: instant}]
satellite_link: {kind: constant, rate_bps: 1.0e+6}
data_network: {device: instant}
schemes:
  - {name: first, codec: {kind: sizes, size_bits: {kind: exponential, mean: 8.0e+5}}}
  - {name: second, codec: {kind: sizes, size_bits: {kind: exponential, mean: 4.0e+5}}}
"""


def command_line(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start ntnsim with *arguments*, as a shell would in the foreground."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background shell ignores it
        f"sys.argv[1:] = {list(arguments)!r}; from ntnsim.cli import main; main()"
    )
    return subprocess.Popen([sys.executable, "-c", program], cwd=cwd, stderr=subprocess.PIPE, text=True)


def wait_for(sign: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 120
    while not sign():
        assert time.monotonic() < ends and process.poll() is None
        time.sleep(0.01)


def under_way(out: Path) -> dict[str, Any]:
    """What the state of an unfinished run says of the scheme that runs; empty before anything was saved of it."""
    try:
        return json.loads((out / ".ntnsim/kept/state.json").read_text())["under_way"] or {}
    except FileNotFoundError:
        return {}


def test_ctrl_c_says_what_is_kept_and_how_to_go_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", str(tmp_path / "store"))
    (tmp_path / "two.yaml").write_text(TWO)
    out = tmp_path / "out"
    victim = command_line("run", "two.yaml", "--out", "out", "--checkpoint-every", "0.2", cwd=tmp_path)
    wait_for(lambda: under_way(out).get("scheme") == "second", victim)
    victim.send_signal(signal.SIGINT)
    said = re.fullmatch(
        r"ntnsim: interrupted; kept: finished schemes \(first\); (\d+) records of second, unfinished "
        rf"\(all in out/.ntnsim/unfinished/records\); what networks computed is in {tmp_path}/store; the same command "
        "with --resume goes on: finished schemes stay, others are replayed from their seeds",
        victim.communicate()[1].splitlines()[-1],
    )
    assert said
    assert victim.returncode == 130
    left = ntnsim.load(out / ".ntnsim/unfinished")
    assert left.groupby("scheme").size().to_dict() == {"first": 20000, "second": int(said[1])}

    assert command_line("run", "two.yaml", "--out", "out", "--resume", cwd=tmp_path).wait() == 0
    run(tmp_path / "two.yaml", tmp_path / "undisturbed")
    assert files_of(out) == files_of(tmp_path / "undisturbed")
    assert ntnsim.load(out)[: len(left)].drop(columns="run").equals(left.drop(columns="run"))


def test_a_killed_run_keeps_the_records_of_its_last_checkpoint(tmp_path):
    (tmp_path / "two.yaml").write_text(TWO)
    out = tmp_path / "out"
    victim = command_line("run", "two.yaml", "--out", "out", "--checkpoint-every", "0.2", cwd=tmp_path)
    wait_for(lambda: under_way(out).get("scheme") == "second", victim)
    at_least = under_way(out)["records"]
    victim.kill()
    victim.communicate()
    left = ntnsim.load(out / ".ntnsim/unfinished")
    assert left["scheme"].value_counts()["second"] >= at_least > 0
    assert not left[["scheme", "job"]].duplicated().any()


LEARNING = """\
name: learning
horizon: {n_jobs: 24}
sources: [{name: a, arrivals: {kind: poisson, rate_per_s: 0.5}}]
datasets: {samples: {kind: samples, count: 2, width_px: 144, height_px: 104}}
gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3}]
satellite_link: {kind: constant, rate_bps: 1.0e+6}
requirement: {deadline_s: 10}
schemes:
  - {name: ncb, codec: {kind: spiff, inpaint: {method: telea}}, policy: {kind: ncb, warm_up_images: 8}}
output: {gallery_images: 0}
"""


def images_learned(engine: Path) -> int:
    return json.loads((engine / "engine.json").read_text())["variables"]["n_seen"]


def test_interrupted_training_goes_on_to_the_same_engine_and_leaves_one_to_go_on_from(tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", str(tmp_path / "store"))
    file = tmp_path / "learning.yaml"
    file.write_text(LEARNING)
    out = tmp_path / "out"
    victim = command_line("train", "learning.yaml", "--out", "out", "--checkpoint-every", "0.2", cwd=tmp_path)
    wait_for(lambda: (out / ".ntnsim/engines/ncb/engine.json").exists(), victim)
    victim.send_signal(signal.SIGTERM)
    assert "what ncb had learned (out/.ntnsim/engines/ncb)" in victim.communicate()[1].splitlines()[-1]
    assert victim.returncode == 143
    n_learned = images_learned(out / ".ntnsim/engines/ncb")
    left = ntnsim.load(out / ".ntnsim/unfinished")
    assert 0 < n_learned <= len(left) < 24

    checkpoint = [f"schemes[0].policy.checkpoint={out / '.ntnsim/engines/ncb'}", "horizon.n_jobs=1"]
    run(file, tmp_path / "further", overrides=checkpoint)
    assert images_learned(tmp_path / "further/engines/ncb") == n_learned + 1
    assert command_line("train", "learning.yaml", "--out", "out", "--resume", cwd=tmp_path).wait() == 0
    run(file, tmp_path / "undisturbed")
    assert files_of(out) == files_of(tmp_path / "undisturbed")
    assert (out / "engines/ncb/engine.safetensors").exists()
