"""One run in shards: the bytes of one process, whatever was killed; and what cannot be sharded is refused by its key."""

import os
import signal
from collections import deque
from functools import partial

import pytest

import ntnsim
from ntnsim.errors import InputError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.results.files import CELLS, SHARDS
from ntnsim.runs import run_scenario
from ntnsim.scenario.scenario import Scenario
from ntnsim.sweeps.execute import execute
from ntnsim.sweeps.local import LocalExecutor
from ntnsim.sweeps.shards import run_shards, simulate_shard

SIZES = {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 4e5}}
NEVER_DRAINS = {"horizon": {"duration_s": 400, "drain_limit_s": 20}}
CUT = {"horizon": {"duration_s": 400, "drain": False}}


def world(**changes):
    """Five gateways in three beams, with everything that makes the order of events matter behind them."""
    cameras = [
        {
            "name": f"camera-{site}",
            "gateway": site,
            "count": 2,
            "priority": priority,
            "arrivals": {"kind": "poisson", "rate_per_s": 0.1},
        }
        for priority, site in enumerate(("north", "south", "ship"))
    ]
    outages = {"time_to_failure_s": {"kind": "exponential", "mean": 60}, "time_to_repair_s": 9.5}
    return Scenario.model_validate(
        {
            "name": "sharded",
            "horizon": {"duration_s": 900},
            "sources": cameras,
            "gateways": [
                {"name": "north", "count": 3, "servers": 1},
                {"name": "south", "beam": "shared", "observation": {"report_period_s": 7, "noise_cv": 0.3}},
                {"name": "ship", "observation": {"noise_cv": 0.2}, "service_s": {"encode": 0.3}},
                {"name": "idle", "beam": "shared"},
            ],
            "satellite_link": {
                "kind": "windows",
                "rate_bps": 2e6,
                "period_s": 90,
                "contact_s": 50,
                "propagation_s": 0.011,
                "buffer_bits": 8e6,
            },
            "data_network": {
                "gpus": 2,
                "batching": {"max_size": 3, "max_wait_s": 2.5},
                "queue": {"discipline": "priority", "buffer": 4},
                "service_s": {"inpainting": {"kind": "exponential", "mean": 6.0}},
            },
            "delivery": {
                "rate": 2e6,
                "sharing": "processor_sharing",
                "loss_probability": 0.2,
                "max_attempts": 2,
            },
            "faults": [
                {"name": "gpu", "kind": "gpu", "servers": 1, "work_in_progress": "restart", **outages},
                {"name": "cpu", "kind": "gateway", "target": "north", "work_in_progress": "drop", **outages},
                {"name": "cut", "kind": "delivery", **outages},
                {"name": "wire", "kind": "access", "target": "ship", **outages},
                {"name": "sky", "kind": "feeder", **outages},
            ],
            "requirement": {"deadline_s": 120, "changes": [{"from_s": 200, "deadline_s": 60}]},
            "output": {"timeline_step_s": None},
            "schemes": [{"name": "one", "codec": SIZES}, {"name": "two", "codec": SIZES | {"steps": 4}}],
            **changes,
        }
    )


class Here:
    """An executor of this very process. fails: the shard, by its number, that raises."""

    def __init__(self, directory, fails=None):
        self.directory, self.fails, self.waiting, self.run = directory, fails, deque(), []

    def submit(self, task):
        self.waiting.append(task)

    def next_result(self):
        task = self.waiting.popleft()
        self.run.append(task.label)
        return execute(task, self.directory, self._fail if task.label == self.fails else simulate_shard)

    def _fail(self, task, directory):
        raise RuntimeError("power cut")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def sharded(scenario, directory, count=3, executor=lambda directory, count: Here(directory), **given):
    parts = run_shards(scenario, count, executor, lambda what: None)
    return run_scenario(scenario, directory, parts=parts, **given)


def contents(directory):
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    # Both tell when and by which command the run was made.
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if name not in ("provenance.json", "seal.json")
    }


@pytest.mark.parametrize("changes", [{}, NEVER_DRAINS, CUT], ids=["drained", "never drained", "cut off"])
def test_shards_leave_the_bytes_of_one_process(tmp_path, changes):
    scenario = world(**changes)
    summary = run_scenario(scenario, tmp_path / "whole")
    # Every end is among them: dropped before and behind the data network, late, and in flight where it is cut.
    assert {"delivered", "late", "dropped"} <= set(summary["schemes"]["one"]["states"])
    assert {"data network buffer full", "fault cpu", "delivery link lost it 2 times"} <= set(
        summary["schemes"]["one"]["reasons"]
    )
    assert ("in_flight" in summary["schemes"]["one"]["states"]) == bool(changes)
    sharded(scenario, tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert not (tmp_path / "parts" / ".ntnsim").exists()


def test_shards_of_a_sky_leave_the_bytes_of_one_process(tmp_path):
    shell = {"altitude_m": 550e3, "inclination_deg": 53.0, "satellites": 400, "planes": 20, "phasing": 3}
    scenario = world(
        horizon={"n_jobs": 30},
        faults=[
            {
                "name": "lost",
                "kind": "satellite",
                "target": "*1",
                "outages": [{"start_s": 30, "duration_s": 90}],
            }
        ],
        gateways=[
            {"name": name, "latitude_deg": latitude_deg, "longitude_deg": 10.0 * latitude_deg % 90}
            for name, latitude_deg in (("north", 50), ("south", -40), ("ship", 5))
        ],
        satellite_link={"kind": "orbit"},
        space={"constellation": {"kind": "walker", "shells": [shell]}},
        background={
            "kind": "on_off",
            "on_load": 0.9,
            "on_s": 20,
            "off_s": {"kind": "exponential", "mean": 20},
        },
    )
    run_scenario(scenario, tmp_path / "whole")
    sharded(scenario, tmp_path / "parts", 2)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert b'"served":true' in (tmp_path / "parts" / "ground_track.json").read_bytes().replace(b" ", b"")


def test_shards_of_photographs_leave_the_bytes_and_pictures_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setenv("NTNSIM_STORE", str(tmp_path / "store"))
    scenario = world(
        horizon={"n_jobs": 1},
        faults=[],
        datasets={"samples": {"kind": "samples", "count": 4, "width_px": 96, "height_px": 64}},
        schemes=[
            {"name": "jpeg", "codec": {"kind": "jpeg", "quality": 40}},
        ],
        output={"timeline_step_s": None, "gallery_images": 2},
    )
    run_scenario(scenario, tmp_path / "whole", store=OutcomeStore(None))
    sharded(scenario, tmp_path / "parts", 2)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert any(name.startswith("images/") for name in contents(tmp_path / "parts"))


def test_a_failed_shard_is_told_and_the_others_are_kept(tmp_path):
    scenario, ran = world(**NEVER_DRAINS), []

    def executor(directory, count, fails=None):
        ran.append(Here(directory, fails))
        return ran[-1]

    with pytest.raises(InputError, match=r"^shard 2 of 3: RuntimeError: power cut .*--resume keeps"):
        sharded(scenario, tmp_path / "parts", executor=partial(executor, fails="shard 2 of 3"))
    assert len(list((tmp_path / "parts" / SHARDS / CELLS).iterdir())) == 2
    sharded(scenario, tmp_path / "parts", executor=executor)
    assert [here.run for here in ran] == [["shard 1 of 3", "shard 2 of 3", "shard 3 of 3"], ["shard 2 of 3"]]
    run_scenario(scenario, tmp_path / "whole")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


class Killing(LocalExecutor):
    """Kills its first worker as soon as it works."""

    def next_result(self):
        self._hand_out()
        if not self._attempts:
            os.kill(self._workers[0].process.pid, signal.SIGKILL)
        return super().next_result()


def test_a_killed_worker_changes_nothing(tmp_path):
    scenario = world(**CUT)
    sharded(
        scenario,
        tmp_path / "parts",
        2,
        executor=lambda directory, count: Killing(directory, simulate_shard, 1),
    )
    run_scenario(scenario, tmp_path / "whole")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def learns(kind):
    return {"schemes": [{"name": "s", "codec": SIZES, "policy": kind}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (learns({"kind": "spiff-engine"}), r"^schemes\[0\]\.policy\.kind: spiff-engine decides"),
        (learns({"kind": "random"}), r"^schemes\[0\]\.policy\.kind: random decides"),
        (learns({"kind": "fixed", "guard": {}}), r"^schemes\[0\]\.policy\.guard: looks at the data network"),
        ({"output": {}}, r"^output\.timeline_step_s: .* null"),
        ({"fidelity": "fluid"}, "^fidelity: fluid"),
        (
            {
                "satellite_link": {"kind": "orbit"},
                "gateways": [{"name": name} for name in ("north", "south", "ship")],
                "space": {"payload": {"kind": "regenerative", "service_beams": 2}},
            },
            "^space: gateways share satellites' beams",
        ),
        (
            {
                "satellite_link": {"kind": "orbit"},
                "space": {
                    "payload": {"kind": "regenerative", "feeder_rate_bps": 1e6},
                    "ground_stations": [{"name": "s", "latitude_deg": 40, "longitude_deg": 10}],
                },
            },
            "^space: images of all gateways queue",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_acts_back_on_gateways_is_refused_by_its_key(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        ntnsim.run(world(**changes), tmp_path / "out", shards=2)
    assert not (tmp_path / "out").exists()


def test_more_shards_than_beams_and_parts_of_ones_own_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"--shards: must be at most the 3 beams .* got 4"):
        ntnsim.run(world(), tmp_path / "out", shards=4)
    with pytest.raises(InputError, match="shards: cannot be given parts of your own or a store"):
        ntnsim.run(world(), tmp_path / "out", shards=2, store=tmp_path)
    with pytest.raises(InputError, match="shards: must be a whole number"):
        ntnsim.run(world(), tmp_path / "out", shards=0)


def test_an_order_that_only_one_process_knows_is_refused(tmp_path):
    scenario = world(
        faults=[],
        sources=[
            {"name": name, "gateway": name, "arrivals": {"kind": "periodic", "period_s": 20}}
            for name in ("north", "south", "ship")
        ],
        gateways=[{"name": name, "device": "instant"} for name in ("north", "south", "ship")],
        schemes=[{"name": "alike", "codec": SIZES | {"size_bits": 1e5, "source_bits": 1e5}}],
    )
    with pytest.raises(InputError, match="images of different shards come, or are lost, at the same instant"):
        sharded(scenario, tmp_path / "parts")
