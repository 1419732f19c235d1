"""The codec's commands, as a user calls them."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ntnsim.cli import app
from ntnsim.errors import InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory, astronaut, astronaut_mask):
    directory = tmp_path_factory.mktemp("cli")
    Image.fromarray(astronaut).save(directory / "a.jpg", quality=95)
    Image.fromarray(astronaut_mask).save(directory / "mask.png")
    return directory


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def encoded(files, *options, name="a.spiff"):
    result = run(
        "encode", files / "a.jpg", "-o", files / name, "--mask", files / "mask.png", *options, "--json"
    )
    return json.loads(result.stdout)


@pytest.mark.parametrize("codec", ["spiff", "spiff-paper"])
def test_encode_decode_score_inspect(files, codec):
    options = ["--coarse", 0.5] if codec == "spiff" else []
    report = encoded(files, "--beta", 0.1, "--p", 0.25, *options, "--codec", codec)
    size_bits = 8 * (files / "a.spiff").stat().st_size
    assert sum(report["bits_per_rank"]) + report["overhead_bits"] == report["total_bits"] == size_bits
    assert report["source_bits"] == 8 * (files / "a.jpg").stat().st_size
    assert report["savings"] == pytest.approx(1 - size_bits / report["source_bits"])

    shown = json.loads(run("inspect", files / "a.spiff", "--json").stdout)
    assert shown["bits_per_rank"] == report["bits_per_rank"] and shown["total_bits"] == size_bits
    assert ("coarse" in [part["part"] for part in shown["parts"]]) == (codec == "spiff")

    for method in ("telea", "ns", "nearest", "none"):
        run("decode", files / "a.spiff", "-o", files / "b.png", "--inpaint", method)
        assert np.asarray(Image.open(files / "b.png")).shape == (160, 144, 3)
    scores = json.loads(
        run("score", files / "a.jpg", files / "b.png", "--mask", files / "mask.png", "--json").stdout
    )
    assert scores["pf_rank"][1] > 0.95 > scores["pf_rank"][0] or codec == "spiff"
    assert (scores["pf_backend"], scores["sf_backend"]) == ("st-lpips", "efficientnet-lite0")
    assert {"pf", "sf", "sf_rank", "psnr", "ssim"} <= scores.keys()


def test_a_panel_judges_each_rank_beside_the_others_original(files):
    encoded(files, "--codec", "spiff")
    run("decode", files / "a.spiff", "-o", files / "b.png", "--inpaint", "none")
    command = ["score", files / "a.jpg", files / "b.png", "--mask", files / "mask.png", "--panel", "--json"]
    report = json.loads(run(*command).stdout)
    original, shown = (np.asarray(Image.open(files / name).convert("RGB")) for name in ("a.jpg", "b.png"))
    top = np.asarray(Image.open(files / "mask.png")) > 0
    squares = (original.astype(float) - shown) ** 2
    expected = [squares[~top].mean(), squares[top].mean()]
    assert report["distance_mse"] == pytest.approx(expected, rel=1e-3)
    assert 0 < report["distance_lite0"][1] < report["distance_lite0"][0]


def test_whole_image_files_are_plain_files(files):
    report = encoded(files, "--codec", "jpeg", name="b.jpg")
    assert Image.open(files / "b.jpg").format == "JPEG" and report["overhead_bits"] == 0
    run("decode", files / "b.jpg", "-o", files / "b.png")
    assert np.array_equal(np.asarray(Image.open(files / "b.png")), np.asarray(Image.open(files / "b.jpg")))


def test_more_ranks_take_their_numbers_from_the_mask(files, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8) * 2
    ranks[:30] = 1
    Image.fromarray(ranks).save(files / "ranks.png")
    result = run(
        "encode",
        files / "a.jpg",
        "-o",
        files / "c.spiff",
        "--mask",
        files / "ranks.png",
        "--p",
        "0.1,0.9",
        "--json",
    )
    assert all(bits > 0 for bits in json.loads(result.stdout)["bits_per_rank"])


def test_damaged_stream_is_refused_or_decoded_in_part(files):
    encoded(files, "--p", 0.5, "--coarse", 0.3)
    data = (files / "a.spiff").read_bytes()
    (files / "cut.spiff").write_bytes(data[:-10])
    with pytest.raises(
        InputError, match=r"cut\.spiff: crop: needs bytes \d+ to \d+, the stream ends after byte \d+$"
    ):
        run("decode", files / "cut.spiff", "-o", files / "b.png", "--inpaint", "none")
    result = run(
        "decode", files / "cut.spiff", "-o", files / "b.png", "--inpaint", "none", "--partial", "--json"
    )
    assert json.loads(result.stdout)["left_out"][0].startswith("crop: needs bytes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beta", "1.5"], r"^--beta: must be in 0 to 1, got 1.5$"),
        (["--p", "a"], r"^--p: must be numbers in 0 to 1 separated by commas, got 'a'$"),
        (["--p", "nan"], r"^--p: must be in 0 to 1, got nan$"),
        (["--codec", "bpg"], r"^--codec: 'bpg' is unknown; allowed are spiff, spiff-paper, jpeg"),
        (["--codec", "spiff-paper", "--coarse", "0.5"], r"^--coarse: spiff-paper has no coarse layer"),
        (["--codec", "jpeg", "--quality", "0"], r"^--quality: must be a whole number in 1 to 100, got 0$"),
    ],
)
def test_bad_options_are_one_line(files, options, message):
    with pytest.raises(InputError, match=message):
        encoded(files, *options)


def test_bad_files_are_one_line(files, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jpg: cannot be read \(No such file or directory\)$"):
        run("encode", tmp_path / "nothing.jpg", "-o", tmp_path / "x")
    Image.new("L", (3, 3)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"the mask is 3x3 and must be as large as the image, 144x160$"):
        run("encode", files / "a.jpg", "-o", tmp_path / "x", "--mask", tmp_path / "small.png")
    (tmp_path / "junk.png").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"junk\.png: not a readable image \(of no known format\)$"):
        run("encode", tmp_path / "junk.png", "-o", tmp_path / "x")
    with pytest.raises(InputError, match=r"small\.png: is 3x3 and must be as large as"):
        run("score", files / "a.jpg", tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png: magic: the stream starts with b'\\x89PNG'"):
        run("decode", tmp_path / "small.png", "-o", tmp_path / "y.png")


def test_device_that_is_none_is_one_line(files):
    encoded(files)
    with pytest.raises(InputError, match=r"^torch device 'tpu' cannot be used \(Expected one of .*\)$"):
        run("decode", files / "a.spiff", "-o", files / "b.png", "--device", "tpu")


@pytest.mark.parametrize("codec", ["webp", "avif", "jxl"])
def test_truncated_whole_image_is_one_line(files, codec):
    encoded(files, "--codec", codec, name=f"whole.{codec}")
    data = (files / f"whole.{codec}").read_bytes()
    (files / "w.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=rf"w\.bin: file: the {codec} data is damaged \([^\n]+\)$"):
        run("decode", files / "w.bin", "-o", files / "b.png")


def test_avif_as_a_whole_image_is_what_pillow_writes(files):
    encoded(files, "--codec", "avif", "--quality", 60, name="w.avif")
    Image.open(files / "a.jpg").save(files / "own.avif", quality=60, max_threads=1)
    written, own = (files / "w.avif").stat().st_size, (files / "own.avif").stat().st_size
    assert written == pytest.approx(own, abs=400)  # but for the photograph's metadata
