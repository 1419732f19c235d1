"""``import ntnsim`` is all that a user's script needs."""

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ntnsim
from ntnsim.cli.scenarios import shipped_scenarios

PROMISED = [
    "Scenario",
    "load_scenario",
    "run",
    "sweep",
    "load",
    "scan",
    "Policy",
    "Decision",
    "Codec",
    "RateProfile",
    "Configuration",
    "NetworkState",
    "open_bundle",
    "encode",
    "decode",
    "score",
    "judge",
    "passes",
    "link_budget",
]

WORLD = {
    "name": "front-door",
    "horizon": {"n_jobs": 5},
    "sources": [{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 4}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e5},
}
SIZES = {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 3e5}}


def world(policy: dict | None = None, **more) -> ntnsim.Scenario:
    scheme = {"name": "only", "codec": SIZES} | ({"policy": policy} if policy else {})
    return ntnsim.Scenario(**{**WORLD, "schemes": [scheme], **more})


def test_import_is_quick_and_loads_no_library():
    code = (
        "import sys, time; start = time.process_time(); import ntnsim; taken = time.process_time() - start\n"
        "print(taken < 0.1, sorted({'torch', 'numpy', 'pandas', 'simpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


def test_every_promised_name_is_there_and_listed():
    assert set(PROMISED) <= set(ntnsim.__all__)
    for name in ntnsim.__all__:
        assert getattr(ntnsim, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'rum'"):
        ntnsim.rum  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(ntnsim.__all__) - {"__version__"}))
def test_every_public_name_has_an_example_that_holds(name, monkeypatch):
    monkeypatch.chdir(Path(ntnsim.__file__).parents[1])  # examples name the scenarios that ship
    documented = getattr(ntnsim, name)
    text = inspect.getdoc(documented)
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert example.examples and "SKIP" not in text
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert failed == 0, "".join(report)


def test_the_first_example_and_those_of_a_scenarios_methods_hold(monkeypatch):
    monkeypatch.chdir(Path(ntnsim.__file__).parents[1])
    for module in (ntnsim, importlib.import_module("ntnsim.scenario.scenario")):
        assert doctest.testmod(module).failed == 0


def test_a_run_without_a_directory_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    run = ntnsim.run(world())
    assert len(run.records) == 5
    assert run.summary["schemes"]["only"]["jobs"] == 5
    assert run.plot("delay_cdf").axes
    with pytest.raises(ntnsim.InputError, match="say where the page goes"):
        run.report()
    assert run.report(tmp_path / "page.html").stat().st_size > 10_000
    assert "only" in repr(run) and "<pre>" in run._repr_html_()
    del run
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["page.html", "temporary"]


def test_a_run_with_a_directory_is_what_the_command_line_writes(tmp_path):
    (tmp_path / "w.yaml").write_text(
        "name: front-door\nhorizon: {n_jobs: 5}\n"
        "sources: [{name: camera, arrivals: {kind: periodic, period_s: 4}}]\n"
        "gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3}]\n"
        "satellite_link: {kind: constant, rate_bps: 1.0e+5}\n"
        "schemes: [{name: only, codec: {kind: sizes, size_bits: {kind: exponential, mean: 3.0e+5}}}]\n"
    )
    ntnsim.run(world(), tmp_path / "code")
    ntnsim.run(tmp_path / "w.yaml", tmp_path / "file")
    command = [sys.executable, "-m", "ntnsim", "run", "w.yaml", "--out", "command"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    written = [
        (tmp_path / name / "records/part-00000.parquet").read_bytes() for name in ("code", "file", "command")
    ]
    assert written[0] == written[1] == written[2]
    assert ntnsim.load(tmp_path / "code").equals(
        ntnsim.load(tmp_path / "file").assign(run=ntnsim.load(tmp_path / "code")["run"])
    )


def test_progress_is_told_by_scheme():
    heard = []
    ntnsim.run(world(horizon={"n_jobs": 200}), progress=lambda *facts: heard.append(facts))
    assert heard and heard[0][0] == "only"


class Always(ntnsim.Policy):
    """Keeps half of the tiles, whatever happens."""

    def __init__(self, space: ntnsim.ConfigurationSpace | None = None, seed: int = 0) -> None:
        self.space, self.seed = space, seed

    def choose(self, image, network, requirement):
        return ntnsim.Decision(ntnsim.Configuration(0.25, (0.5,)))


@pytest.mark.parametrize("given", [Always(), Always, lambda space, seed: Always(space, seed)])
def test_a_policy_of_ones_own_is_an_object_a_class_or_a_function(given):
    run = ntnsim.run(world({"kind": "custom", "name": "mine"}), policies={"mine": given})
    assert set(run.records["x_patch_fraction_0"]) == {0.5}


def test_a_policy_of_ones_own_can_be_guarded():
    policy = {"kind": "custom", "name": "mine", "guard": {}}
    diagnostics = ntnsim.run(world(policy), policies={"mine": Always()}).summary["worlds"]["only"]["policy"]
    assert "guard_passed" in diagnostics


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, r"kind custom, name 'mine': no such part among policies, which holds none; run .* from Python"),
        ({"policies": {"other": Always()}}, r"no such part among policies, which holds 'other'"),
        (
            {"policies": {"mine": lambda space, seed: object()}},
            r"policies\['mine'\]: a object lacks choose, learn",
        ),
    ],
)
def test_parts_that_are_missing_or_no_part_are_refused(parts, message):
    with pytest.raises(ntnsim.InputError, match=message):
        ntnsim.run(world({"kind": "custom", "name": "mine"}), **parts)


def test_a_codec_for_other_ranks_is_refused():
    class Three(ntnsim.Codec):
        name, digest, space = "three", "three-1", ntnsim.ConfigurationSpace(3, False)

        def encode(self, pixels, rank_map, configuration, seed):
            raise AssertionError

        decode = encode

    scheme = {"name": "c", "codec": {"kind": "custom", "name": "three"}}
    with pytest.raises(
        ntnsim.InputError, match=r"codecs\['three'\]: is made for 3 ranks, the scenario's task has 2"
    ):
        ntnsim.run(ntnsim.Scenario(**WORLD, schemes=[scheme]), codecs={"three": Three()})


def test_a_profile_of_rates_alone_knows_its_contacts():
    profile = ntnsim.RateProfile.of_rates(100.0, 2.0, [0, 0, 5, 5, 0, 7, 0], propagation_s=0.01)
    assert profile.rate_bps.tolist() == [0, 0, 5, 5, 0, 7, 0]
    np.testing.assert_array_equal(profile.next_contact_s, [104, 104, np.nan, np.nan, 110, np.nan, np.inf])
    np.testing.assert_array_equal(profile.contact_end_s, [np.nan, np.nan, 108, 108, np.nan, 112, np.nan])
    assert profile.end_s == 114.0


def test_codec_takes_arrays_pictures_and_files_alike(astronaut, astronaut_mask, tmp_path):
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    Image.fromarray((astronaut_mask * 255).astype(np.uint8)).save(tmp_path / "m.png")
    settings = {"beta": 0.1, "p": 0.05, "q": 0.25}
    from_array = ntnsim.encode(astronaut, mask=astronaut_mask, **settings)
    from_picture = ntnsim.encode(Image.fromarray(astronaut), mask=astronaut_mask, **settings)
    from_file = ntnsim.encode(tmp_path / "a.png", mask=str(tmp_path / "m.png"), **settings)
    assert from_array.payload == from_picture.payload == from_file.payload
    assert from_array.savings is None and 0 < from_file.savings < 1
    assert sum(from_array.bits_per_rank) + from_array.overhead_bits == from_array.size_bits
    file = from_array.save(tmp_path / "a.spiff")
    decoded = [ntnsim.decode(given, inpaint="telea") for given in (from_array, from_array.payload, file)]
    assert all((one.pixels == decoded[0].pixels).all() for one in decoded)
    assert 0 < decoded[0].received_share < 1
    assert np.asarray(decoded[0]).shape == astronaut.shape
    scores = ntnsim.score(tmp_path / "a.png", decoded[0], mask=astronaut_mask)
    assert scores.pf_rank[1] > scores.pf_rank[0]


def test_notebooks_see_pictures_and_tables(astronaut, astronaut_mask):
    encoded = ntnsim.encode(astronaut, mask=astronaut_mask, q=0.2)
    decoded = ntnsim.decode(encoded, inpaint="none")
    for picture in (encoded._repr_png_(), decoded._repr_png_()):
        assert picture.startswith(b"\x89PNG")
    assert "bits of rank 1" in encoded._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 2}, r"beta: must be in 0 to 1, got 2"),
        ({"p": "many"}, r"p: must be one number or one per rank below the top, got 'many'"),
        ({"q": float("nan")}, r"q: must be in 0 to 1, got nan"),
        ({"codec": "gif"}, r"codec: 'gif' is unknown; allowed are spiff"),
        ({"codec": "spiff-paper", "q": 0.5}, r"q: spiff-paper has no coarse layer"),
        ({"mask": np.zeros((3, 3), bool)}, r"mask: is 3x3 and must be as large as the image, 144x160"),
        ({"mask": np.zeros((160, 144))}, r"mask: must be bool or whole numbers \[H, W\], got float64"),
        ({"p": (0.1, 0.2)}, r"p: 2 fractions need a mask with the ranks"),
        ({"p": (0.1, 0.2), "mask": np.full((160, 144), 3)}, r"picture: holds rank 3; with 2 fractions in p"),
    ],
)
def test_arguments_of_the_codec_that_cannot_be_used_are_named(astronaut, arguments, message):
    with pytest.raises(ntnsim.InputError, match=message):
        ntnsim.encode(astronaut, **arguments)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(ntnsim.InputError, match=r"photograph: must be uint8 \[H, W, 3\], got"):
        ntnsim.encode(pixels)


def test_passes_and_budgets_are_those_of_the_command_line():
    table = ntnsim.passes(shipped_scenarios()["quickstart"], hours=1)
    assert list(table.columns)[:5] == ["satellite", "rise_s", "culmination_s", "set_s", "max_elevation_deg"]
    azimuths = [f"{moment}_azimuth_deg" for moment in ("rise", "culmination", "set")]
    assert list(table.columns)[5:8] == azimuths
    assert table[azimuths].apply(lambda column: column.between(0, 360)).all(axis=None)
    assert len(table) > 3
    with pytest.raises(ntnsim.InputError, match="site: 'rome' is not one of"):
        ntnsim.passes(shipped_scenarios()["quickstart"], "rome")
    assert ntnsim.link_budget(satellite="geo", terminal="vsat")["band"] == "ka"
    for arguments, message in (
        ({"band": "s", "terminal": "vsat"}, "terminal: vsat does not work in band s"),
        ({"satellite": "moon"}, "satellite: 'moon' is not one of geo, leo-600, leo-1200"),
        ({"elevation_deg": 0}, r"elevation_deg: 0 is not in \(0, 90\]"),
        ({"direction": "up"}, "direction: 'up' is not dl or ul"),
        ({"case": "SC99"}, "case: "),
    ):
        with pytest.raises(ntnsim.InputError, match=message):
            ntnsim.link_budget(**arguments)


def test_a_sweep_runs_and_is_looked_at(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "name: swept\nhorizon: {n_jobs: 20}\n"
        "sources: [{name: camera, arrivals: {kind: poisson, rate_per_s: 0.1}}]\n"
        "gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3}]\n"
        "satellite_link: {kind: constant, rate_bps: 1.0e+5}\n"
        "schemes: [{name: only, codec: {kind: sizes, size_bits: {kind: exponential, mean: 3.0e+5}}}]\n"
        "sweep: {design: [{kind: grid, parameters: {background: [0.1, 0.6]}}]}\n"
    )
    sweep = ntnsim.sweep(tmp_path / "s.yaml", tmp_path / "out", jobs=1)
    assert (sweep.outcome.n_run, len(sweep.records)) == (2, 40)
    assert sweep.plot("load_curves").axes
    again = ntnsim.sweep(tmp_path / "s.yaml", tmp_path / "out", jobs=1, resume=True)
    assert (again.outcome.n_run, again.outcome.n_reused) == (0, 2)
    with pytest.raises(ntnsim.InputError, match="scenario: has no sweep: section"):
        ntnsim.sweep(world())


def test_shipped_scenarios_are_listed_and_copied_never_over_a_file(tmp_path):
    def command(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "ntnsim", *arguments], cwd=tmp_path, capture_output=True, text=True
        )

    listed = command("scenarios", "list").stdout
    assert "quickstart" in listed and "isl_relay" in listed
    assert command("scenarios", "copy", "quickstart").stdout.strip() == "quickstart.yaml"
    assert (tmp_path / "quickstart.yaml").read_text() == shipped_scenarios()["quickstart"].read_text()
    (tmp_path / "quickstart.yaml").write_text("mine")
    again = command("scenarios", "copy", "quickstart")
    assert (again.returncode, again.stderr.strip()) == (
        2,
        "ntnsim: quickstart.yaml: is there already; give another file name",
    )
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"
    unknown = command("scenarios", "copy", "nothing")
    assert unknown.returncode == 2 and "none of those that ship" in unknown.stderr


def test_a_wheel_in_an_empty_directory_finds_scenarios_and_models(tmp_path):
    root = Path(ntnsim.__file__).parents[1]
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, an extra of development")
    build = (
        "from hatchling.builders.wheel import WheelBuilder as B; print(list(B(%r).build(directory=%r))[0])"
    )
    made = subprocess.run(
        [sys.executable, "-c", build % (str(root), str(tmp_path / "dist"))],
        capture_output=True,
        text=True,
        check=True,
    )
    wheel = made.stdout.strip().splitlines()[-1]
    code = (
        f"import sys; sys.path = [{wheel!r}.replace('.whl', '')] + [p for p in sys.path if p not in ('', {str(root)!r})]\n"
        "import ntnsim, ntnsim.cli.scenarios as s; print(ntnsim.__file__); print(len(s.shipped_scenarios()))\n"
        "print(ntnsim.open_bundle('tiny').missing())"
    )
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.replace(".whl", ""))
    environment = {"PATH": "/usr/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    place, count, missing = done.stdout.splitlines()
    assert place.startswith(str(tmp_path)) and int(count) >= 9 and missing == "[]"
