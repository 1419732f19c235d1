"""What a user of the Python API gives wrongly is refused in one line; what a part of the user's own answers wrongly, too."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import ntnsim

WORLD = {
    "name": "wrong-input",
    "horizon": {"n_jobs": 3},
    "sources": [{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 4}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e5},
}
SIZES = {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 3e5}}
GREY = np.full((48, 64, 3), 120, np.uint8)
MASK = np.zeros((48, 64), bool)
MASK[16:32, 16:48] = True
HALF = ntnsim.Configuration(0.0, (0.5,))


def world(**more) -> ntnsim.Scenario:
    return ntnsim.Scenario(**{**WORLD, "schemes": [{"name": "only", "codec": SIZES}], **more})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonsense": 1}, "Scenario: nonsense: unknown key"),
        ({"horizon": {"n_jobs": -1}}, r"Scenario: horizon\.n_jobs: -1 is not >= 1"),
        ({"sources": "x"}, "Scenario: sources: 'x' is not a list"),
        ({"gateways": [{"name": "p", "latitude_deg": 99}]}, r"gateways\[0\]\.latitude_deg: 99 is not <= 90"),
        ({"seed": "x"}, "Scenario: seed: 'x'"),
    ],
)
def test_a_scenario_in_code_is_refused_in_the_words_of_a_file(change, message):
    with pytest.raises(ntnsim.InputError, match=message):
        world(**change)
    with pytest.raises(ntnsim.InputError, match=message):
        world().model_copy(update=change)


def test_a_scenario_is_changed_by_the_paths_of_sweeps(tmp_path):
    changed = world().changed({"sources.camera.arrivals.period_s": 9, "horizon.n_jobs": 2})
    assert (changed.sources[0].arrivals.period_s, changed.horizon.n_jobs) == (9.0, 2)
    assert changed.changed({}) == changed != world()
    for path, message in (
        ("sources[4].name", r"sources\[4\]\.name: the list has no element '4'"),
        ("sources[0].nam", r"sources\[0\]\.nam: unknown key; did you mean 'name'\?"),
        ("", "'': is no path of a scenario"),
    ):
        with pytest.raises(ntnsim.InputError, match=message):
            world().changed({path: "x"})
    run = ntnsim.run(world(), overrides=["horizon.n_jobs=2"])
    assert len(run.records) == run.scenario.horizon.n_jobs == 2


def test_a_changed_scenario_finds_the_files_of_its_own_directory(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "w.yaml").write_text(
        "name: w\nhorizon: {n_jobs: 1}\nsources: [{name: c, arrivals: {kind: periodic, period_s: 4}}]\n"
        "gateways: [{name: p, latitude_deg: 44.8, longitude_deg: 10.3}]\ndatasets: {own: {kind: folder, path: pictures}}\n"
        "schemes: [{name: jpeg, codec: {kind: jpeg}}]\n"
    )
    scenario = ntnsim.load_scenario(tmp_path / "deep" / "w.yaml")
    monkeypatch.chdir(tmp_path)
    expected = tmp_path / "deep" / "pictures"
    for same in (scenario, scenario.changed({"seed": 3}), scenario.model_copy(update={"seed": 3})):
        assert same.datasets["own"].path.location == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ntnsim.run({}), "scenario: must be a Scenario or the path of a YAML file, got a dict"),
        (lambda: ntnsim.run(world(), 5), "out: must be a path, got 5"),
        (lambda: ntnsim.run(world(), ""), "out: must be a path, got ''"),
        (lambda: ntnsim.run(world(), overrides="seed=2"), "overrides: must be a list of texts"),
        (lambda: ntnsim.run(world(), overrides=["sed=2"]), "--set sed=2: sed: unknown key"),
        (lambda: ntnsim.run(world(), policies=[1]), "policies: must be a mapping from names to parts"),
        (
            lambda: ntnsim.run(world(), progress="yes"),
            "progress: must be a function, True or False, got 'yes'",
        ),
        (lambda: ntnsim.run(world(), checkpoint_s=-1), "checkpoint_s: must be a finite number >= 0, got -1"),
        (lambda: ntnsim.load(5), "directory: must be a result directory, a Run or a Sweep, got 5"),
        (lambda: ntnsim.load(), "no directory: no finished run"),
        (lambda: ntnsim.load_scenario(None), "scenario: must be the path of a YAML file, got None"),
        (
            lambda: ntnsim.passes(world(), hours="a"),
            "hours: must be a finite number > 0 and <= 8784, got 'a'",
        ),
        (lambda: ntnsim.passes(5), "scenario: must be a Scenario or the path"),
        (lambda: ntnsim.link_budget(5), "case: must be SC1 to SC30, got 5"),
        (lambda: ntnsim.link_budget(elevation_deg="x"), "elevation_deg: must be a finite number, got 'x'"),
        (lambda: ntnsim.link_budget(elevation_deg=-1), r"elevation_deg: -1 is not in \(0, 90\]"),
        (lambda: ntnsim.open_bundle(5), "bundle: must be the name or the directory of a bundle, got 5"),
        (
            lambda: ntnsim.encode(GREY, mask=MASK, beta="a"),
            "beta: must be in 0 to 1, got 'a'",
        ),
        (
            lambda: ntnsim.encode(GREY, mask=MASK, p="ab"),
            "p: must be one number or one per rank below the top",
        ),
        (lambda: ntnsim.encode(GREY, mask=MASK, p=[]), "p: must be one number or one per rank below the top"),
        (lambda: ntnsim.encode(GREY, mask=MASK, p=[2]), "p: must be in 0 to 1, got 2"),
        (lambda: ntnsim.encode(GREY, mask=MASK, q=None), "q: must be in 0 to 1, got None"),
        (lambda: ntnsim.encode(GREY, mask=MASK, quality=4.5), "quality: must be a whole number in 1 to 100"),
        (
            lambda: ntnsim.encode(GREY, mask=MASK, seed="s"),
            "seed: must be a whole number in 0 to .*, got 's'",
        ),
        (lambda: ntnsim.encode(GREY, codec="jpeg", beta=0.5), "beta: is 0.5, and jpeg has none"),
        (lambda: ntnsim.encode(GREY, codec="avif", q=0.5), "q: is 0.5, and avif has none"),
        (lambda: ntnsim.encode(GREY, codec="sc", quality=5), "quality: sc sends the caption alone"),
        (lambda: ntnsim.decode(None), "encoded: must be what encode returned, bytes or a path, got None"),
        (lambda: ntnsim.decode(b"x", steps=0), "steps: must be a whole number >= 1, got 0"),
        (lambda: ntnsim.score(GREY, ntnsim.encode(GREY, mask=MASK)), "photograph: is coded; ntnsim.decode"),
    ],
)
def test_arguments_of_no_use_are_named(call, message):
    with pytest.raises(ntnsim.InputError, match=message):
        call()


def test_numbers_of_numpy_and_any_kind_of_bytes_and_paths_will_do(tmp_path):
    coded = ntnsim.encode(GREY, p=np.float32(0.25), beta=np.float64(0), seed=np.int64(1), mask=MASK)
    assert coded.payload == ntnsim.encode(GREY, p=[0.25], mask=MASK.tolist()).payload
    saved = coded.save(tmp_path / "grey.spiff")
    pictures = [ntnsim.decode(given).pixels for given in (coded, bytearray(coded.payload), saved, str(saved))]
    assert all((picture == pictures[0]).all() for picture in pictures)


def test_records_are_read_from_runs_lists_and_single_columns(tmp_path):
    run = ntnsim.run(world(), tmp_path / "run")
    assert ntnsim.load(run).equals(ntnsim.load(tmp_path / "run"))
    assert len(ntnsim.load([run, tmp_path / "run"])) == 6
    assert list(ntnsim.load(run, columns="delay_s")) == ["run", "replication", "delay_s"]
    assert ntnsim.columns(run) == ntnsim.columns(tmp_path / "run")


class Decides(ntnsim.Policy):
    """Answers what it was made with."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def choose(self, image, network, requirement):
        return self.answer


class Silent(ntnsim.Policy):
    """Forgot to write `choose`."""


class Plain:
    """Not derived from the protocol."""

    def choose(self, image, network, requirement):
        return ntnsim.Decision(HALF)


class Counts(Decides):
    def diagnostics(self):
        return ["not by name"]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Decides(None), r"policies\['own'\]: choose must return an ntnsim.Decision, got None"),
        (Decides(HALF), r"got a Configuration: write Decision\(configuration\)"),
        (
            Decides(ntnsim.Decision("x")),
            "Decision needs an ntnsim.Configuration, or None to reject the image, got 'x'",
        ),
        (
            Decides(ntnsim.Decision(ntnsim.Configuration(0, (0.5, 0.5)))),
            "has 2 patch fractions; 2 ranks need 1",
        ),
        (
            Decides(ntnsim.Decision(ntnsim.Configuration(0, (0.5,), 0.5))),
            "coarse_quality is 0.5; this codec has no",
        ),
        (Counts(ntnsim.Decision(HALF)), "diagnostics must return numbers by name, got a list"),
        (Silent(), "a Silent lacks choose"),
        (
            Plain(),
            "a Plain lacks learn, lose, learns, diagnostics, save; derive the class from ntnsim.Policy",
        ),
        (5, "must be a policy, or what makes one, got 5"),
        (
            lambda image, network, requirement: None,
            "makes no policy: it does not take a ConfigurationSpace and a int",
        ),
    ],
)
def test_answers_of_a_policy_that_do_not_fit_are_refused(policy, message):
    scheme = {"name": "only", "codec": SIZES, "policy": {"kind": "custom", "name": "own"}}
    with pytest.raises(ntnsim.InputError, match=message):
        ntnsim.run(world(schemes=[scheme]), policies={"own": policy})


def test_what_a_policy_raises_itself_keeps_its_traceback():
    class Fails(ntnsim.Policy):
        def choose(self, image, network, requirement):
            return 1 / 0

    scheme = {"name": "only", "codec": SIZES, "policy": {"kind": "custom", "name": "own"}}
    with pytest.raises(ZeroDivisionError):
        ntnsim.run(world(schemes=[scheme]), policies={"own": Fails})


def test_a_configuration_takes_any_numbers_and_keeps_plain_ones():
    given = ntnsim.Configuration(0, np.array([0.25], np.float32), np.float64(1))
    assert given == ntnsim.Configuration(0.0, (0.25,), 1.0) and hash(given)
    assert {type(value) for value in (given.box_growth, *given.patch_fractions, given.coarse_quality)} == {
        float
    }
    for arguments, message in (
        ((0.1, 0.2), "patch_fractions must be one per rank below the top"),
        (("a", (0.2,)), r"box_growth must be in \[0, 1\], got 'a'"),
        ((0.0, (float("nan"),)), r"patch_fractions\[0\] must be in \[0, 1\], got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            ntnsim.Configuration(*arguments)


def rates(*values, start_s=0.0, step_s=1.0, **more):
    return ntnsim.RateProfile.of_rates(start_s, step_s, list(values), **more)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (lambda gateway: None, r"channels\['own'\], gateway 'parma': must give a function from a time"),
        (lambda gateway: lambda start_s: np.ones(9), "must give an ntnsim.RateProfile, got a ndarray"),
        (lambda gateway: lambda start_s: rates(1e5, start_s=start_s + 5), "wanted from 0 s on begins at 5 s"),
        (
            lambda gateway: lambda start_s: rates(*[1e3] * (10 + int(start_s)), start_s=start_s),
            "the window from 10 s on is 20 s long, the first was 10 s; all must be of one length",
        ),
    ],
)
def test_answers_of_a_channel_that_do_not_fit_are_refused(channel, message):
    with pytest.raises(ntnsim.InputError, match=message):
        ntnsim.run(world(satellite_link={"kind": "custom", "name": "own"}), channels={"own": channel})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rates(-1.0), "rate_bps must be finite and >= 0, got -1"),
        (lambda: rates(1.0, float("nan")), "rate_bps must be finite and >= 0, got nan"),
        (lambda: rates(1.0, float("inf")), "rate_bps must be finite and >= 0, got inf"),
        (lambda: rates(), r"rate_bps must be \[n\], one value or more, got \[0\]"),
        (lambda: rates([1.0, 2.0]), r"rate_bps must be \[n\], one value or more, got \[1, 2\]"),
        (lambda: rates(1.0, step_s=0.0), "step_s must be a finite number > 0, got 0"),
        (lambda: rates(1.0, propagation_s=-4), "propagation_s must be >= 0, got -4"),
    ],
)
def test_a_profile_of_rates_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Small(ntnsim.Codec):
    """Sends a picture as PNG; its faults are switched on one by one."""

    name, digest = "small", "small-1"
    space = ntnsim.ConfigurationSpace(2, has_coarse_layer=False)
    fault = ""

    def encode(self, pixels, rank_map, configuration, seed):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        coded = stream.getvalue()
        if self.fault == "bytes":
            return coded
        return ntnsim.EncodedImage(coded, (0,) * (3 if self.fault == "ranks" else 2), 8 * len(coded))

    def decode(self, payloads, seeds):
        pictures = [np.asarray(Image.open(io.BytesIO(payload))) for payload in payloads]
        return {
            "number": pictures[1:],
            "none": None,
            "float": [picture / 255 for picture in pictures],
            "size": [picture[:-1] for picture in pictures],
        }.get(self.fault, pictures)


def coded_world() -> ntnsim.Scenario:
    photographs = {"small": {"kind": "samples", "count": 2, "width_px": 64, "height_px": 48}}
    scheme = {"name": "only", "codec": {"kind": "custom", "name": "own"}}
    return world(datasets=photographs, horizon={"n_jobs": 1}, output={"gallery_images": 0}, schemes=[scheme])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("bytes", r"codecs\['own'\]: encode must return an ntnsim.EncodedImage, got a bytes"),
        ("ranks", "encode gave the bits of 3 ranks; its space has 2"),
        ("number", "decode must return a list of 1 pictures, got 0 pictures"),
        ("none", "decode must return a list of 1 pictures, got None"),
        ("float", r"decode must give pictures uint8 \[H, W, 3\], got float64 \[48, 64, 3\]"),
        ("size", "codec 'small': decode gave a picture of 64x47 for one of 64x48"),
    ],
)
def test_answers_of_a_codec_that_do_not_fit_are_refused(tmp_path, fault, message):
    codec = Small()
    codec.fault, codec.digest = fault, fault
    with pytest.raises(ntnsim.InputError, match=message):
        ntnsim.run(coded_world(), codecs={"own": codec}, store=tmp_path)


def test_a_codec_whose_class_was_written_anew_is_not_taken_for_what_it_was(tmp_path):
    kept = ntnsim.run(coded_world(), codecs={"own": Small}, store=tmp_path).records["transmitted_bits"][0]

    class Longer(Small):
        def encode(self, pixels, rank_map, configuration, seed):
            coded = super().encode(pixels, rank_map, configuration, seed).payload + b"more"
            return ntnsim.EncodedImage(coded, (0, 0), 8 * len(coded))

    again = ntnsim.run(coded_world(), codecs={"own": Longer}, store=tmp_path).records["transmitted_bits"][0]
    assert again == kept + 32


def test_a_sweep_from_a_plain_script_runs_the_script_once(tmp_path):
    (tmp_path / "w.yaml").write_text(
        "name: w\nhorizon: {n_jobs: 2}\nsources: [{name: c, arrivals: {kind: periodic, period_s: 4}}]\n"
        "gateways: [{name: p, latitude_deg: 44.8, longitude_deg: 10.3}]\nsatellite_link: {kind: constant, rate_bps: 1.0e+5}\n"
        "schemes: [{name: s, codec: {kind: sizes, size_bits: 8.0e+5}}]\n"
        "sweep: {design: [{kind: grid, parameters: {satellite_link.rate_bps: [1.0e+5, 2.0e+5]}}]}\n"
    )
    (tmp_path / "script.py").write_text(
        "import ntnsim\nprint('begins')\nfound = ntnsim.sweep('w.yaml', 'swept', jobs=2)\n"
        "print(found.outcome.n_run, len(found.records), len(ntnsim.load(found)))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["begins", "2", "4", "4"], done.stderr


def test_rain_in_decibels_needs_a_channel_that_knows_what_it_costs():
    class Steady:
        def __call__(self, start_s):
            return rates(*[1e5] * 600, start_s=start_s)

    class Knowing(Steady):
        @staticmethod
        def efficiency_at(sinr_db):
            return np.full(np.shape(sinr_db), 2.0)

    rain = {"kind": "rain", "name": "rain", "outages": [{"start_s": 1, "duration_s": 9}], "attenuation_db": 5}
    wet = world(satellite_link={"kind": "custom", "name": "own"}, faults=[rain])
    with pytest.raises(ntnsim.InputError, match="attenuation_db needs a channel with efficiency_at"):
        ntnsim.run(wet, channels={"own": lambda gateway: Steady()})
    assert len(ntnsim.run(wet, channels={"own": lambda gateway: Knowing()}).records) == 3
