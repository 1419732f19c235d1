"""Outcome tables, the oracle that searches them, and practice on them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from ntnsim.engine.build import build_policy
from ntnsim.engine.oracle import OraclePolicy
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.engine.practice import Moment, TableInstance, Witness, learn_online
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits, network_state
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Requirement, Trial
from ntnsim.scenario.policy import OraclePolicySpec, RandomPolicySpec
from ntnsim.streams import stream

AXIS = (0.0, 0.25, 0.5, 0.75, 1.0)
INSTANCE = SyntheticBits()


def table() -> OutcomeTable:
    """The synthetic instance's means on a grid, for three images."""
    images = tuple(ImageState((1.0 - high, high), 4_000_000, 640, 480) for high in (0.2, 0.4, 0.6))
    grid = np.array(list(product(AXIS, AXIS))).reshape(5, 5, 2)
    means = INSTANCE.fidelity_means(grid)
    return OutcomeTable(
        SPACE,
        (AXIS, AXIS),
        ("a", "b", "c"),
        images,
        np.stack([INSTANCE.bits_share(image.rank_fractions[1], grid) * 4e6 for image in images]),
        np.stack([means[..., 0::2]] * 3),
        np.stack([means[..., 1::2]] * 3),
    )


def tried(original: OutcomeTable) -> OutcomeTable:
    """The same table with a trial encoding of each image."""
    images = (
        replace(
            image,
            trials=tuple(
                Trial(Configuration(b, (0.5,)), 1000 + index, (0.9, 0.99 - index / 100), (1.0, 0.5))
                for b in (0.0, 1.0)
            ),
        )
        for index, image in enumerate(original.images)
    )
    return replace(original, images=tuple(images))


@pytest.mark.parametrize("original", [table(), tried(table())], ids=["plain", "with trials"])
def test_table_survives_parquet(tmp_path, original):
    original.save(tmp_path / "t.parquet")
    read = OutcomeTable.load(tmp_path / "t.parquet")
    assert (read.space, read.axes, read.images, read.image_ids) == (
        original.space,
        original.axes,
        original.images,
        original.image_ids,
    )
    for name in ("size_bits", "pf", "sf"):
        np.testing.assert_array_equal(getattr(read, name), getattr(original, name))


def test_incomplete_grid_is_refused(tmp_path):
    table().save(tmp_path / "t.parquet")
    pd.read_parquet(tmp_path / "t.parquet").iloc[1:].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="74 rows are not 3 images × 25 configurations"):
        OutcomeTable.load(tmp_path / "t.parquet")


def test_missing_or_foreign_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such outcome table"):
        OutcomeTable.load(tmp_path / "none.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="not an outcome table"):
        OutcomeTable.load(tmp_path / "t.parquet")


def test_interpolation_is_exact_on_the_grid_and_linear_between():
    outcomes = table()
    at = outcomes.between(1, np.array([0.25, 0.75]))
    np.testing.assert_allclose(at, outcomes.outcomes(1)[1 * 5 + 3])
    middle = outcomes.between(1, np.array([0.25, 0.625]))
    np.testing.assert_allclose(middle, (outcomes.outcomes(1)[1 * 5 + 2] + at) / 2.0)


def test_oracle_equals_exhaustive_search_by_hand():
    outcomes = table()
    oracle = OraclePolicy(outcomes, SPACE, margin_s=0.0)
    image = outcomes.images[2]
    chosen = oracle.choose(image, network_state(1e6), REQUIREMENT).configuration
    best = min(
        (
            float(INSTANCE.bits_share(0.6, np.array(x)))
            + sum(
                weight * max(target - reached, 0.0)
                for weight, target, reached in zip(
                    (1.25, 5.0, 10.0, 10.0),
                    (0.8, 0.85, 0.98, 0.95),
                    INSTANCE.fidelity_means(np.array(x)),
                    strict=True,
                )
            ),
            x,
        )
        for x in product(AXIS, AXIS)
    )[1]
    assert SPACE.vector(chosen) == best


def test_oracle_that_keeps_targets_takes_the_fewest_bits_that_meet_them_all():
    outcomes = table()
    image = outcomes.images[2]
    cheap = replace(
        REQUIREMENT, lambda_pf=(0.01, 0.01), lambda_sf=(0.01, 0.01)
    )  # shortfalls cost nearly nothing
    targets = np.array((0.8, 0.85, 0.98, 0.95))
    met = [
        (float(INSTANCE.bits_share(0.6, np.array(x))), x)
        for x in product(AXIS, AXIS)
        if (np.array(INSTANCE.fidelity_means(np.array(x))) >= targets).all()
    ]
    priced, keeping = (
        OraclePolicy(outcomes, SPACE, margin_s=0.0, keeps_targets=keeps).choose(
            image, network_state(1e6), cheap
        )
        for keeps in (False, True)
    )
    assert SPACE.vector(keeping.configuration) == min(met)[1] != SPACE.vector(priced.configuration)
    beyond = replace(cheap, pf_min=(1.1, 1.1))  # nothing meets it: the price decides
    unmet, free = (
        OraclePolicy(outcomes, SPACE, margin_s=0.0, keeps_targets=keeps).choose(
            image, network_state(1e6), beyond
        )
        for keeps in (True, False)
    )
    assert unmet == free


def test_oracle_keeps_the_deadline_or_rejects():
    oracle = OraclePolicy(table(), SPACE, margin_s=1.0)
    image = table().images[0]
    free = oracle.choose(image, network_state(1e6), REQUIREMENT).configuration
    # Within 5 s less 1 s of margin at 120 kbit/s, 470 kbit fit: less than the free choice takes.
    tight = Requirement(
        5.0, *(getattr(REQUIREMENT, name) for name in ("pf_min", "sf_min", "lambda_pf", "lambda_sf"))
    )
    bound = oracle.choose(image, network_state(120e3), tight).configuration
    bits = [float(INSTANCE.bits_share(0.2, np.array(SPACE.vector(x)))) * 4e6 for x in (free, bound)]
    assert bits[0] > 470e3 > bits[1]
    refused = oracle.choose(image, network_state(10e3), tight)
    assert refused.configuration is None
    assert refused.reason == "oracle: nothing arrives within 5.0 s"


def test_image_age_does_not_hide_an_image_from_the_oracle():
    image = table().images[0]
    older = ImageState(image.rank_fractions, image.source_bits, image.width_px, image.height_px, age_s=3.0)
    assert table().place_of(older) == 0


def test_unknown_image_and_foreign_codec_are_refused(tmp_path):
    oracle = OraclePolicy(table(), SPACE, margin_s=0.0)
    with pytest.raises(InputError, match="no image with rank fractions"):
        oracle.choose(ImageState((0.7, 0.3), 1, 1, 1), network_state(1e6), REQUIREMENT)
    table().save(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="the outcome table is for"):
        build_policy(OraclePolicySpec(table=str(tmp_path / "t.parquet")), ConfigurationSpace(2, True), seed=0)


def test_practice_on_a_table_delivers_its_outcomes_with_the_witnessed_delay():
    instance = TableInstance(table(), [Moment(network_state(1e6), age_s=1.5, remainder_s=2.0)])
    image, network = instance.context(np.random.default_rng(0))
    x = Configuration(0.5, (0.5,))
    delivered = instance.deliver(image, network, REQUIREMENT, x, np.random.default_rng(0))
    high = image.rank_fractions[1]
    bits = float(INSTANCE.bits_share(high, np.array([0.5, 0.5]))) * 4e6
    assert delivered.size_bits == pytest.approx(bits, abs=1.0)
    # Age, transfer, propagation, delivery of the reconstructed file, remainder.
    assert delivered.delay_s == pytest.approx(1.5 + bits / 1e6 + 0.005 + 0.04 + 2.0, abs=1e-5)
    assert delivered.pf[0] == pytest.approx(float(INSTANCE.fidelity_means(np.array([0.5, 0.5]))[0]))


def test_image_that_outlasts_the_pass_is_late_by_an_outage():
    instance = TableInstance(table(), [Moment(network_state(100.0), 0.0, 0.0)])
    image, network = instance.context(np.random.default_rng(0))
    delivered = instance.deliver(
        image, network, REQUIREMENT, Configuration(0.5, (0.5,)), np.random.default_rng(0)
    )
    assert delivered.delay_s == 600.0


def test_witness_recovers_what_the_delay_held_besides_the_known():
    rng = stream(0, "witness")
    witness = Witness(build_policy(RandomPolicySpec(), SPACE, seed=0))
    instance = TableInstance(table(), [Moment(network_state(1e6), age_s=1.5, remainder_s=2.0)])
    learn_online(witness, instance, [REQUIREMENT], 5, rng)
    assert [moment.age_s for moment in witness.moments()] == [1.5] * 5
    np.testing.assert_allclose([moment.remainder_s for moment in witness.moments()], 2.0)
