"""The codec's experiments: tables with the rows they promise, figures, and resuming. On thumbnails, with a plain fill."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from skimage import data

from ntnsim.errors import DatasetError, InputError
from ntnsim.experiments import (
    codec_study,
    fig2,
    fig4,
    fig5,
    fig6,
    fig8,
    fig10,
    fig11,
    fig12,
    rate,
    rate_curves,
)
from ntnsim.experiments.broken_axis import broken_panels
from ntnsim.experiments.codec_study import CodecStudy, pareto
from ntnsim.experiments.rate_points import Setting, coded_half, coded_whole, measure
from ntnsim.protocols.configuration import Configuration
from ntnsim.spiff.components import Component


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for index in range(2):
        crop = data.astronaut()[20 : 116 + 16 * index, 170:266]
        Image.fromarray(crop).save(root / f"images/{index}.jpg", quality=95)
        mask = np.zeros(crop.shape[:2], np.uint8)
        mask[20:80, 30:70] = 255
        Image.fromarray(mask).save(root / f"masks/{index}.png")
    return root


def run(module, *arguments):
    module.main([str(argument) for argument in arguments])


def options(photographs, out):
    return [
        "--data",
        photographs / "images",
        "--masks",
        photographs / "masks",
        "--images",
        2,
        "--inpaint",
        "nearest",
        "--out",
        out,
    ]


def test_pareto_keeps_what_no_other_point_beats_in_both():
    savings = np.array([0.1, 0.5, 0.5, 0.9, 0.7])
    fidelity = np.array([0.9, 0.8, 0.7, 0.2, 0.85])
    assert pareto(savings, fidelity).tolist() == [0, 4, 3]  # 1 and 2 lose to 4


@pytest.mark.parametrize("codec", ["spiff-paper", "spiff"])
def test_fig6_has_a_cloud_per_photograph_and_resumes(photographs, tmp_path, monkeypatch, codec):
    monkeypatch.setattr(fig6, "BETAS", (0.0, 0.4))
    monkeypatch.setattr(fig6, "FRACTIONS", (0.0, 0.5))
    run(fig6, *options(photographs, tmp_path), "--codec", codec)
    table = pd.read_csv(tmp_path / "fig6.csv")
    assert len(table) == 2 * 4 * (3 if codec == "spiff" else 1)
    for _, points in table.groupby("image"):
        frontier = points[points["on_frontier"]].sort_values("savings")
        assert frontier["pf"].is_monotonic_decreasing and len(frontier) >= 2
    assert (tmp_path / "fig6.png").stat().st_size > 10_000 and (tmp_path / "fig6.pdf").is_file()

    def unreachable(*_arguments):
        raise AssertionError("an outcome was computed twice")

    monkeypatch.setattr("ntnsim.experiments.codec_study.CodecStudy._computed", unreachable)
    before = (tmp_path / "fig6.csv").read_bytes()
    run(fig6, *options(photographs, tmp_path), "--codec", codec)
    assert (tmp_path / "fig6.csv").read_bytes() == before


def test_fig4_fidelity_grows_with_p(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(fig4, "BETAS", (0.0, 0.5))
    monkeypatch.setattr(fig4, "FRACTIONS", (0.0, 0.5, 1.0))
    run(fig4, *options(photographs, tmp_path))
    for _, line in pd.read_csv(tmp_path / "fig4.csv").groupby(["image", "beta"]):
        assert line["pf"].is_monotonic_increasing and line["savings"].is_monotonic_decreasing


def test_fig5_seeks_the_savings_that_it_names_and_says_where_they_are_out_of_reach(
    photographs, tmp_path, monkeypatch, capsys
):
    assert fig5.sought(lambda t: 0.9 - 0.8 * t, 0.5) == pytest.approx(
        0.5, abs=fig5.NEAR
    )  # by hand: 0.9 − 0.8·0.5
    assert fig5.sought(lambda t: 0.9 - 0.8 * t, 0.95) == 0.0
    assert fig5.sought(lambda t: 0.9 - 0.8 * t, 0.05) == 1.0
    monkeypatch.setattr(fig5, "SAVINGS", (0.999, 0.3))
    run(fig5, *options(photographs, tmp_path))
    table = pd.read_csv(tmp_path / "fig5.csv").set_index("wanted_savings")
    assert table.loc[0.3, "reached"].all() and table.loc[0.3, "savings"].sub(0.3).abs().max() <= fig5.NEAR
    assert not table.loc[0.999, "reached"].any() and (table.loc[0.999, "beta"] == 0).all()
    rows, label = fig5.shown(table.reset_index(), 0.999)
    assert len(rows) == len(table) / 2
    assert label == f"savings {100 * table.loc[0.999, 'savings'].mean():.0f} %, the most (99.9 % sought)"
    assert capsys.readouterr().out.count("99.9 % is out of reach; the nearest is") == 2


def test_fig8_lists_the_bytes_of_every_part(photographs, tmp_path):
    run(fig8, *options(photographs, tmp_path))
    table = pd.read_csv(tmp_path / "fig8.csv")
    assert table["part"].tolist() == ["region", "mask", "tiles", "grid of rank 0", "crop"]
    assert (table["bytes"] > 0).all()
    with pytest.raises(InputError, match=r"^--coarse: spiff-paper has no coarse layer"):
        run(fig8, *options(photographs, tmp_path), "--coarse", 0.5)
    with pytest.raises(InputError, match=r"^--images: must be at least 1, got 0$"):
        run(fig8, *options(photographs, tmp_path), "--images", 0)


def test_fig10_and_fig11_compare_spiff_with_whole_image_codecs(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(fig10, "GROUPS", {"p = 0, β = 0": (0.0, (0.0,)), "p > 0, β > 0": ((0.5,), (0.4,))})
    monkeypatch.setattr(fig10, "QUALITIES", {"jpeg": (45,), "avif": (45,)})
    arguments = options(photographs, tmp_path)
    arguments[5] = 1
    run(fig10, *arguments)
    run(fig11, *arguments)
    table = pd.read_csv(tmp_path / "fig11.csv").set_index("series")
    assert {"jpeg", "avif"} < set(table.index)
    assert {f"{codec}, p > 0, β > 0" for codec in ("spiff-paper", "spiff")} < set(table.index)
    patches = table.loc["spiff-paper, p > 0, β > 0"]
    assert patches["pf_rank_1"] > patches["pf_rank_0"]  # what selective fidelity means


def test_the_legend_has_a_column_for_each_codec_and_one_for_all_others():
    axis = Figure().subplots()
    for label in ("ours, p = 0", "ours, p > 0", "theirs, p = 0", "jpeg", "sc"):
        axis.scatter([0], [0], label=label)
    handles, n_columns = fig10._legend_columns(axis)
    assert n_columns == 3
    assert [handle.get_label() for handle in handles] == [
        *("ours, p = 0", "ours, p > 0"),
        *("theirs, p = 0", " "),
        *("jpeg", "sc"),
    ]


def test_an_axis_is_broken_only_below_what_it_would_squeeze():
    most = pd.Series([0.8, 0.9, 1.0])
    figure = Figure()
    near, far, absent = broken_panels(
        figure, [(most, pd.Series([0.75])), (most, pd.Series([0.2, 0.3])), (most, pd.Series([], dtype=float))]
    )
    assert len(near) == len(absent) == 1
    upper, lower = far
    assert upper.get_ylim()[0] > 0.7 and upper.get_ylim()[1] > 1.0
    assert lower.get_ylim()[0] < 0.2 and 0.3 < lower.get_ylim()[1] < upper.get_ylim()[0]


def test_fig2_counts_the_share_of_every_rank(tmp_path):
    for name, kind in (("0001.jpg", "RGB"), ("0001m.png", "L")):
        values = np.zeros((8, 8, 3) if kind == "RGB" else (8, 8), np.uint8)
        if kind == "L":
            values[:2], values[2:] = 4, 1  # a quarter unknown (high), the rest water (low)
        Image.fromarray(values).save(tmp_path / name)
    run(fig2, "--mastr1325", tmp_path, tmp_path, "--out", tmp_path / "out")
    assert pd.read_csv(tmp_path / "out/fig2.csv")["share"].tolist() == [0.75, 0, 0.25]
    with pytest.raises(DatasetError, match="fig2 needs --persons"):
        run(fig2, "--out", tmp_path / "out")


JUDGES = ("alex", "mse")


def straight_lines():
    """Codecs whose distance is 1/bits by both judges (mse counts in hundreds): what they need is known by hand."""
    rows = []

    def point(image, series, setting, bits, top=None, low=None):
        row = {"image": image, "series": series, "setting": setting, "bits": bits}
        for rank, distance in (("top", top), ("low", low)):
            if distance is not None:
                row |= {f"alex_{rank}": distance, f"mse_{rank}": 100 * distance}
        rows.append(row)

    factors = {"jpeg": 2.0, "webp": 1.5, "jxl": 1.2, "avif": 1.0, "avif, speed 4": 0.9, "avif, tuned": 1.1}
    for image in ("a", "b"):
        for q in (2, 8, 32, 128):
            for series, factor in factors.items():
                point(image, series, q, int(factor * 1000 * q), 1 / q, 1 / q)
            point(image, "spiff, one file", q, 1000 * q, 1 / q, 1 / q)
            point(image, "spiff, one file restored", q, 1000 * q, 0.8 / q, 0.8 / q)
            point(image, "pair, top", q, 400 * q, top=1 / q)
            point(image, "pair, low", q, 600 * q, low=1 / q)
        # The crop's distance is 1/q at 300·q bits; the layer's, 1/(100·q) at 60,000·q bits.
        for q in (16, 32, 48, 66, 96, 128):
            point(image, "spiff crop", q, 300 * q + 18_000, 1 / q, 1 / 30)
            point(image, "spiff crop, restored", q, 300 * q + 18_000, 0.8 / q, 1 / 30)
        for q in (0.1, 0.15, 0.2, 0.3, 0.6, 1.0):
            for series, loss in (
                ("spiff layer", 1),
                ("spiff layer, no network", 1.25),
                ("spiff layer, bare", 2),
            ):
                point(image, series, q, int(300 * 66 + 60_000 * q), 1 / 66, loss / (100 * q))
    return rate_curves.curves_of(pd.DataFrame(rows), JUDGES)


def test_bits_at_equal_fidelity_are_those_of_the_curves():
    curves, everyone = straight_lines(), np.arange(2)

    def needs(top, low):
        return rate_curves.whole_image_bits(curves["avif"], rate_curves.Target("mse", top, low), everyone)

    # A squared error of 2 for the top rank costs AVIF 50,000 bits, whatever less the lower one asks.
    assert needs(2, 5) == pytest.approx(50_000, rel=0.01)
    # The lower rank asks for 100/80: 80,000 bits, and the top rank is better than asked.
    assert needs(2, 100 / 80) == pytest.approx(80_000, rel=0.01)
    assert needs(90, 90) == 2000  # its fewest bits are good enough
    assert np.isnan(needs(0.1, 5))  # a codec that cannot get that good needs no number
    target = rate_curves.Target("alex", 0.02, 0.05)
    own = curves["spiff layer"]
    bits, crop, q = rate_curves.spiff_point(curves["spiff crop"], own, own, target, everyone)
    assert (crop, q) == (pytest.approx(50, rel=0.05), pytest.approx(0.2, rel=0.1))
    assert bits == pytest.approx(300 * 50 + 60_000 * 0.2, rel=0.06)
    assert rate_curves.pair_bits(curves, target, everyone) == pytest.approx(400 * 50 + 600 * 20, rel=0.01)


def test_every_judge_demands_what_it_sees_of_the_reference(monkeypatch):
    curves = straight_lines()
    targets = rate.targets_of(curves["avif"], JUDGES, 0.05)
    alex, mse = targets[0.98, "intermediate"]
    assert (alex.top, alex.low) == (pytest.approx(0.02), pytest.approx(0.1))
    assert (mse.top, mse.low) == (pytest.approx(2), pytest.approx(10))


def test_comparison_takes_the_best_rival_and_one_file_where_that_is_less(monkeypatch):
    monkeypatch.setattr(rate_curves, "RESAMPLES", 5)
    table = rate.comparison(straight_lines(), JUDGES, 0.05)
    assert len(table) == 9 * 2
    by_contrast = table.set_index(["pf_top", "lower target", "judge"])
    row = by_contrast.loc[0.98, "strict", "mse"]
    assert row["avif kB"] == pytest.approx(50 / 8, rel=0.01)
    assert row["saving vs whole image as it comes"] == pytest.approx(
        1 - row["spiff kB"] / row["avif kB"], abs=0.01
    )
    best = 1 - row["spiff kB"] / row["avif, speed 4 kB"]
    assert row["saving vs whole image at all"] == pytest.approx(best, abs=0.01)
    assert row["saving vs pair"] == pytest.approx(1 - row["spiff kB"] / row["pair kB"], abs=0.01)
    assert 0 < row["saving vs no network"] < row["saving vs bare layer"]
    assert not row["one file"]
    # AVIF at speed 4 is the best whole image and left out of those as fast as SPIFF; the stock one is the next.
    assert row["saving vs whole image as fast"] == row["saving vs whole image as it comes"] > best
    # A crop four fifths as far away needs a quality of 40 for 50: 3,000 bits of 27,000 fewer.
    assert row["restored crop: saving vs exact crop"] == pytest.approx(3 / 27, abs=0.02)
    restored = 1 - row["restored crop kB"] / row["pair kB"]
    assert row["restored crop: saving vs pair"] == pytest.approx(restored, abs=0.01)
    close = rate.comparison(straight_lines(), JUDGES, 0.005)  # the rest is wanted better than people are
    row = close.set_index(["pf_top", "lower target", "judge"]).loc[0.95, "strict", "mse"]
    assert row["one file"] or np.isnan(row["spiff kB"])


def test_a_rank_is_judged_beside_the_others_original_and_points_survive_the_file(photographs, tmp_path):
    """Coding only the background leaves the top rank's judges nothing to see, and resuming measures nothing again."""
    dataset = PairedMasks(photographs)
    component = Component("jpeg", 20)
    settings = [
        Setting("whole", 20, partial(coded_whole, component)),
        Setting("half", 20, partial(coded_half, component, "low"), ("low",)),
    ]
    table = measure(dataset, settings, JUDGES, tmp_path / "points.csv")
    whole, half = (table[table["series"] == name].iloc[0] for name in ("whole", "half"))
    assert half[["alex_top", "mse_top"]].isna().all()
    assert whole["mse_top"] > 0 and whole["mse_low"] > 0
    pixels, top = dataset.image(0).pixels, dataset.image(0).class_map == 1
    bits, picture = coded_whole(component, pixels, top)
    assert whole["bits"] == bits
    error = (pixels.astype(float) - picture)[top] ** 2
    assert whole["mse_top"] == pytest.approx(error.mean(), rel=1e-4)
    before = (tmp_path / "points.csv").read_bytes()
    again = measure(dataset, settings, JUDGES, tmp_path / "points.csv")
    assert (tmp_path / "points.csv").read_bytes() == before
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(
        InputError, match=r"points.csv: its points were measured without ms-ssim; take another"
    ):
        measure(dataset, settings, ("alex", "ms-ssim"), tmp_path / "points.csv")


class PairedMasks:
    """The module's photographs as a dataset, with their masks as class maps."""

    def __init__(self, root):
        self._root = root

    def __len__(self):
        return 1

    def image(self, index):
        pixels = np.asarray(Image.open(self._root / f"images/{index}.jpg"))
        mask = np.asarray(Image.open(self._root / f"masks/{index}.png")) > 0
        return SimpleNamespace(name=str(index), pixels=pixels, class_map=mask.astype(np.uint8), source_bits=1)


def test_learning_experiment_names_the_photographs_that_it_lacks(monkeypatch):
    monkeypatch.delenv("NTNSIM_DATA", raising=False)
    with pytest.raises(
        InputError, match=r"^experiment fig12: the following arguments are required: --data; see"
    ):
        run(fig12, "--out", "nowhere")


def test_environment_names_the_photographs(monkeypatch, tmp_path):
    monkeypatch.setenv("NTNSIM_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match=f"{tmp_path}/persons"):
        run(rate, "--out", tmp_path / "out", "--bundle", "none")
    with pytest.raises(DatasetError, match=f"{tmp_path}/elsewhere"):
        run(rate, "--out", tmp_path / "out", "--bundle", "none", "--data", tmp_path / "elsewhere")


def test_progress_counts_pictures_within_a_photograph(photographs, tmp_path, monkeypatch):
    seen = []

    @contextmanager
    def watched(line):
        original = CodecStudy._computed

        def looked_at(*arguments):
            rows = original(*arguments)
            seen.append(line())
            return rows

        monkeypatch.setattr(CodecStudy, "_computed", looked_at)
        yield

    monkeypatch.setattr(codec_study, "status_shown", watched)
    arguments = codec_study.study_parser("ntnsim.experiments.fig6", "", images=2).parse_args(
        list(map(str, options(photographs, tmp_path)))
    )
    study = codec_study.study_from(arguments)
    whole = [Configuration(0.0, (0.0,))]
    study.outcomes(study.whole_image_codec("jpeg", 45), whole, series="jpeg", quality=45)
    assert seen == [
        "jpeg 45: 1 of 2 pictures coded, 1 restored",
        "jpeg 45: 2 of 2 pictures coded, 2 restored",
    ]
