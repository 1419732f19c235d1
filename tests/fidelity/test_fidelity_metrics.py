"""Fidelity scores: published behaviour, other libraries' answers, and independence of company."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ntnsim.errors import BundleError
from ntnsim.fidelity import st_lpips
from ntnsim.fidelity.backends import LpipsBackend, StLpipsBackend
from ntnsim.fidelity.metrics import Scorer, scorer_named
from ntnsim.fidelity.panel import available_judges, judged
from ntnsim.fidelity.similarity import IDENTICAL_PSNR_DB, ms_ssim, psnr_db, ssim
from ntnsim.networks import lite0


def jpeg(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


@pytest.fixture(scope="module")
def scorer():
    return scorer_named()


@pytest.fixture(scope="module")
def trunk():
    """A random AlexNet in torchvision's format: for the code, never for a reported score."""
    torch.manual_seed(0)
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    state = {}
    for index, (out, into, kernel) in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, kernel, kernel) * 0.05
        state[f"features.{index}.bias"] = torch.zeros(out)
    return state


def test_st_lpips_gives_the_published_networks_distances_on_the_astronaut():
    """The reference package's own numbers (run once; three decimals)."""
    astronaut = data.astronaut()
    backend = StLpipsBackend()
    features = backend.features(astronaut)
    for image, pf in (
        (np.roll(astronaut, 1, axis=1), 0.996),
        (jpeg(astronaut, 90), 0.995),
        (jpeg(astronaut, 45), 0.986),
        (jpeg(astronaut, 10), 0.921),
    ):
        distance = backend.distance_map(features, backend.features(image))
        assert distance.shape == astronaut.shape[:2]
        assert 1 - distance.mean() == pytest.approx(pf, abs=5e-4)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 61)])
def test_merged_first_convolution_equals_convolution_then_blurred_halving(size):
    network = st_lpips.pretrained()
    convolution, blur = network.net.slice1[0], network.net.slice1[1]
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32))
    apart = blur(convolution(x))
    merged = st_lpips._convolved_and_halved(x, convolution.weight, convolution.bias, blur.filt[0, 0])
    assert torch.allclose(apart, merged, atol=1e-5)
    assert torch.equal(network.net.slice2[0](x), torch.nn.functional.max_pool2d(x, 3, 1))


def test_lite0_recognises_a_cup_and_a_cat():
    network = lite0.pretrained()
    for photograph, classes in ((data.coffee(), {967, 968}), (data.chelsea(), {281, 282, 285})):
        side = min(photograph.shape[:2])
        top, left = (photograph.shape[0] - side) // 2, (photograph.shape[1] - side) // 2
        square = Image.fromarray(photograph[top : top + side, left : left + side]).resize((224, 224))
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float()
        best = int(network(lite0.normalised(pixels)).argmax())
        assert best in classes  # ImageNet: espresso, cup; tabby, tiger cat, Egyptian cat


def test_lite0_pyramid_halves_at_every_stage_whatever_the_size():
    maps = lite0.pretrained().pyramid(torch.zeros(1, 3, 65, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 33, 48),
        (24, 17, 24),
        (40, 9, 12),
        (112, 5, 6),
        (320, 3, 3),
    ]


def test_identical_images_score_one_and_worse_images_less(scorer, astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    images = [astronaut, jpeg(astronaut, 80), jpeg(astronaut, 20), jpeg(astronaut, 3)]
    scores = scorer.score([astronaut] * 4, images, [ranks] * 4, 2)
    assert (scores[0].pf, scores[0].sf, scores[0].ssim, scores[0].psnr_db) == (1, 1, 1, IDENTICAL_PSNR_DB)
    for name in ("pf", "sf", "ssim", "ms_ssim", "psnr_db"):
        values = [getattr(score, name) for score in scores]
        assert values == sorted(values, reverse=True), name
    assert {score.pf_backend for score in scores} == {"st-lpips"}
    assert {score.sf_backend for score in scores} == {"efficientnet-lite0"}
    assert scores[1].caption_sf is None


def test_damage_in_one_rank_lowers_that_ranks_scores(scorer, astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    blurred = np.array(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(3)))
    damaged = np.where(astronaut_mask[..., None], astronaut, blurred)
    score = scorer.score([astronaut], [damaged], [ranks], 2)[0]
    assert score.pf_rank[0] < 0.85 < score.pf_rank[1]
    assert score.sf_rank[0] < 0.97 and score.sf_rank[1] == 1  # outside the rank both images are grey
    areas = np.array([(~astronaut_mask).mean(), astronaut_mask.mean()])
    assert score.pf == pytest.approx(float(areas @ score.pf_rank), abs=2e-6)  # one map, averaged


def test_fidelity_of_ranks_alone_is_that_of_the_whole_score(scorer, astronaut, astronaut_mask):
    ranks, shown = astronaut_mask.astype(np.uint8), jpeg(astronaut, 20)
    [first, second] = scorer.per_rank(astronaut, [shown, astronaut], ranks, 3)
    score = scorer.score([astronaut], [shown], [ranks], 3)[0]
    assert first == (score.pf_rank, score.sf_rank)
    assert (first[0][2], first[1][2]) == (1, 1)  # empty
    assert second[0] == (1, 1, 1)


def test_empty_rank_scores_one_and_is_flagged(scorer, astronaut):
    ranks = np.zeros(astronaut.shape[:2], np.uint8)
    score = scorer.score([astronaut], [jpeg(astronaut, 20)], [ranks], 3)[0]
    assert score.empty_rank == (False, True, True)
    assert score.pf_rank[1:] == score.sf_rank[1:] == (1, 1)
    assert score.pf_rank[0] == score.pf and score.sf_rank[0] == score.sf


def test_scores_depend_on_neither_company_nor_threads(scorer, astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    other = np.ascontiguousarray(astronaut[:90, ::-1])
    originals = [astronaut, other, astronaut]
    images = [jpeg(astronaut, 30), jpeg(other, 30), jpeg(astronaut, 60)]
    maps = [ranks, np.ascontiguousarray(ranks[:90]), ranks]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = [scorer.score([a], [b], [m], 2)[0] for a, b, m in zip(originals, images, maps, strict=True)]
        torch.set_num_threads(2)
        together = scorer.score(originals, images, maps, 2)
    finally:
        torch.set_num_threads(threads)
    assert together == alone


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (5, 3)])
def test_tiny_images_can_be_scored(scorer, shape, astronaut):
    pixels = np.ascontiguousarray(astronaut[: shape[0], : shape[1]])
    score = scorer.score([pixels], [255 - pixels], [np.zeros(shape, np.uint8)], 2)[0]
    assert 0 <= score.pf < 1 and np.isfinite(score.ms_ssim)


def test_psnr_and_ssim_are_those_of_scikit_image(astronaut):
    other = jpeg(astronaut, 30)
    assert psnr_db(astronaut, other) == pytest.approx(peak_signal_noise_ratio(astronaut, other), abs=1e-9)
    theirs = structural_similarity(
        astronaut, other, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(astronaut, other) == pytest.approx(theirs, abs=1e-5)
    assert ssim(astronaut, other) < ms_ssim(astronaut, other) < 1  # coarser scales lose less to JPEG


def test_lpips_backend_is_the_lpips_package_with_the_given_trunk(trunk, astronaut):
    import lpips

    backend = LpipsBackend(trunk)
    other = jpeg(astronaut, 20)
    distance = backend.distance_map(backend.features(astronaut), backend.features(other))
    assert distance.shape == astronaut.shape[:2]
    reference = lpips.LPIPS(net="alex", pnet_rand=True, spatial=False, verbose=False).eval()
    state = {key: trunk[f"features.{key.split('.', 1)[1]}"] for key in reference.net.state_dict()}
    reference.net.load_state_dict(state)
    a, b = (torch.from_numpy(x.transpose(2, 0, 1).copy())[None] / 127.5 - 1 for x in (astronaut, other))
    with torch.no_grad():
        whole = float(reference(a, b))
    # Enlarging bilinearly and averaging is almost the average of the small map.
    assert distance.mean() == pytest.approx(whole, rel=0.05)
    score = Scorer(backend, scorer_named()._semantic).score(
        [astronaut], [other], [np.zeros((160, 144), np.uint8)], 2
    )
    assert score[0].pf_backend == "lpips"


def test_missing_backends_are_named(tmp_path):
    with pytest.raises(
        BundleError, match=r"PF backend lpips needs torchvision's AlexNet weights in a file, got none"
    ):
        scorer_named("lpips")
    with pytest.raises(BundleError, match=r"PF backend 'psnr' is unknown; allowed are st-lpips, lpips"):
        scorer_named("psnr")
    with pytest.raises(BundleError, match=r"SF backend clip needs a local directory"):
        scorer_named(semantic="clip")
    with pytest.raises(BundleError, match=r"no CLIP model in the transformers format"):
        scorer_named(semantic="clip", clip_directory=tmp_path)
    with pytest.raises(BundleError, match=r"lpips trunk: lacks features\.0\.weight"):
        LpipsBackend({})
    shapes = ("0", "3", "6", "8", "10")
    others = {f"features.{n}.{kind}": torch.zeros(1) for n in shapes for kind in ("weight", "bias")}
    with pytest.raises(BundleError, match=r"lpips trunk: is not torchvision's AlexNet"):
        LpipsBackend(others)
    torch.save({"state_dict": {}}, tmp_path / "nested.pth")
    with pytest.raises(BundleError, match=r"nested.pth: holds no weights by name"):
        scorer_named("lpips", lpips_trunk=tmp_path / "nested.pth")
    (tmp_path / "trunk.pth").write_bytes(b"no weights")
    with pytest.raises(BundleError, match=r"trunk.pth: not readable as saved weights"):
        scorer_named("lpips", lpips_trunk=tmp_path / "trunk.pth")
    with pytest.raises(BundleError, match=r"none.pth: is no file; lpips needs torchvision's AlexNet"):
        scorer_named("lpips", lpips_trunk=tmp_path / "none.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(BundleError, match=r"list.pth: holds no weights by name"):
        scorer_named("lpips", lpips_trunk=tmp_path / "list.pth")


def test_the_panel_has_lpips_where_its_trunk_is_named(trunk, astronaut, tmp_path, monkeypatch):
    assert "lpips" not in available_judges()
    torch.save(trunk, tmp_path / "trunk.pth")
    monkeypatch.setenv("NTNSIM_LPIPS_TRUNK", str(tmp_path / "trunk.pth"))
    other, half = jpeg(astronaut, 20), np.arange(144) < 72
    where = np.broadcast_to(half, astronaut.shape[:2])
    found = judged(astronaut, other, where=where, judges=("lpips",))
    expected = LpipsBackend(trunk).distance_map(astronaut, other)[where].mean()
    assert "lpips" in available_judges() and found == {"lpips": pytest.approx(expected, rel=1e-6)}
    monkeypatch.setenv("NTNSIM_LPIPS_TRUNK", str(tmp_path / "none.pth"))
    with pytest.raises(BundleError, match=r"NTNSIM_LPIPS_TRUNK: .*none.pth: is no file"):
        judged(astronaut, other)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """A random VGG16 in torchvision's format, without its classifier: for the code, never for a reported score."""
    torch.manual_seed(0)
    widths = {
        0: (64, 3),
        2: (64, 64),
        5: (128, 64),
        7: (128, 128),
        10: (256, 128),
        12: (256, 256),
        14: (256, 256),
    }
    widths |= {17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512)}
    state = {"classifier.0.bias": torch.zeros(1)}
    for index, (out, into) in widths.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(out)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(state, path)
    return path


def test_the_panel_has_dists_where_its_trunk_is_named(vgg_file, astronaut, tmp_path, monkeypatch):
    """The numbers are those of the authors' own package (DISTS_pytorch 0.1, run once) around the same trunk."""
    assert "dists" not in available_judges()
    monkeypatch.setenv("NTNSIM_DISTS_TRUNK", str(vgg_file))
    assert "dists" in available_judges()
    for quality, expected in ((20, 0.0018412), (60, 0.00065958)):
        found = judged(astronaut, jpeg(astronaut, quality), judges=("dists",))["dists"]
        assert found == pytest.approx(expected, rel=0.01)
    assert judged(astronaut, astronaut, judges=("dists",))["dists"] == pytest.approx(0, abs=1e-5)
    wrong = torch.load(vgg_file, weights_only=True) | {"features.0.weight": torch.zeros(1)}
    torch.save(wrong, tmp_path / "other.pth")
    monkeypatch.setenv("NTNSIM_DISTS_TRUNK", str(tmp_path / "other.pth"))
    with pytest.raises(
        BundleError, match=r"NTNSIM_DISTS_TRUNK: .*other.pth: is not the state of torchvision's VGG16"
    ):
        judged(astronaut, astronaut, judges=("dists",))
