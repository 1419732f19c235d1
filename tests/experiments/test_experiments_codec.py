"""The codec's experiments: tables with the rows they promise, figures, and resuming. On thumbnails, with a plain fill."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from ntnsim.errors import DatasetError, InputError
from ntnsim.experiments import fig2, fig4, fig6, fig8, fig10, fig11, fig12, rate
from ntnsim.experiments.codec_study import pareto
from ntnsim.experiments.rate_points import RatePoint, read_points, write_points


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
    patches = table.loc["spiff-paper, p > 0, β > 0"]
    assert patches["pf_rank_1"] > patches["pf_rank_0"]  # what selective fidelity means


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


def straight_lines():
    """Codecs whose distance is 1/bits: what they need is known by hand."""
    points = []
    for image in ("a", "b"):
        factors = {"jpeg": 2.0, "webp": 1.5, "avif": 1.0, "avif-tuned": 0.95, "avif-tuned, speed 6": 0.9}
        for series, factor in factors.items():
            points += [
                RatePoint(image, series, q, int(factor * 1000 * q), 0, 1, 0, 1 - 1 / q, 1 - 1 / q, 0, 0)
                for q in (2, 8, 32, 128)
            ]
        # The crop's distance is 1/q at 300·q bits; the layer's, 1/(100·q) at 60,000·q bits.
        points += [
            RatePoint(image, "spiff crop", q, 300 * q + 36_000, 0, 1, 0, 1 - 1 / q, 1 - 1 / 60, 0, 0)
            for q in (16, 32, 48, 64, 96, 128)
        ]
        points += [
            RatePoint(
                image,
                "spiff coarse",
                q,
                int(300 * 64 + 60_000 * q),
                0,
                1,
                0,
                1 - 1 / 64,
                1 - 1 / (100 * q),
                0,
                0,
            )
            for q in (0.1, 0.15, 0.2, 0.3, 0.6, 1.0)
        ]
    return points


def test_bits_at_equal_fidelity_are_those_of_the_curves():
    curves = rate.curves_of(pd.DataFrame(straight_lines()))
    everyone = np.arange(2)
    # Distance 1/50 for both ranks costs AVIF 50,000 bits.
    assert rate.whole_image_bits(curves, "avif", 0.02, 0.05, everyone) == pytest.approx(50_000, rel=0.01)
    # The lower rank asks for 1/80: 80,000 bits, and the top rank is better than asked.
    assert rate.whole_image_bits(curves, "avif", 0.02, 1 / 80, everyone) == pytest.approx(80_000, rel=0.01)
    # A codec that cannot get that good needs no number.
    assert np.isnan(rate.whole_image_bits(curves, "avif", 0.001, 0.05, everyone))
    bits, crop, q = rate.spiff_point(curves, "spiff coarse", 0.02, 0.05, everyone)
    assert (crop, q) == (pytest.approx(50, rel=0.05), pytest.approx(0.2, rel=0.1))
    assert bits == pytest.approx(300 * 50 + 60_000 * 0.2, rel=0.06)


def test_comparison_takes_the_best_rival(monkeypatch):
    monkeypatch.setattr(rate, "RESAMPLES", 5)
    table = rate.comparison(rate.curves_of(pd.DataFrame(straight_lines())), 0.05, ["spiff coarse"])
    row = table[(table["pf_top"] == 0.98) & (table["lower target"] == "strict")].iloc[0]
    assert row["avif kB"] == pytest.approx(50 / 8, rel=0.01)
    assert row["saving vs best as it comes"] == pytest.approx(1 - row["spiff kB"] / row["avif kB"], abs=0.01)
    assert row["saving vs best at all"] < row["saving vs best as it comes"]


def test_price_of_a_part_is_its_bits_against_the_curve_at_the_same_lower_pf():
    points = straight_lines()
    # Half as far from the original as the layer at q = 0.1 (25,200 bits, 1/10): the curve gets there at q = 0.2.
    points += [
        RatePoint(image, "spiff, with patches", 0.1, 40_000, 0, 1, 0, 0.99, 1 - 1 / 20, 0, 0)
        for image in ("a", "b")
    ]
    row = rate.contributions(rate.curves_of(pd.DataFrame(points))).iloc[0]
    assert (row["part"], row["kB"], row["pf_low"]) == ("patches", 5.0, 0.95)
    assert row["bits at equal pf_low"] == pytest.approx(40_000 / (300 * 64 + 60_000 * 0.2) - 1, abs=0.001)


def test_rate_points_survive_the_file(tmp_path):
    points = straight_lines()
    write_points(tmp_path / "points.csv", points)
    assert read_points(tmp_path / "points.csv") == points
    assert read_points(tmp_path / "nothing.csv") == []


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
