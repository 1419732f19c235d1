"""The log of learning: what a lesson holds, the means of its rows, and the same numbers in TensorBoard."""

import sys

import numpy as np
import pytest
import torch

from ntnsim.engine.build import build_engine
from ntnsim.engine.learning_log import EVERY_IMAGES, LoggedPolicy, tensorboard_teller
from ntnsim.engine.least_squares import log_terms
from ntnsim.engine.practice import learn_online
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits
from ntnsim.errors import InputError
from ntnsim.protocols.policy import Policy
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream


class Counting(Policy):
    """Its lessons are 1, 2, 3 …, but for the first four deliveries, which are a warm-up."""

    learns = True

    def __init__(self):
        self.n = 0

    def learn(self, delivered):
        self.n += 1

    def lesson(self):
        return {"x_loss": float(self.n)} if self.n > 4 else {}


def fed(policy, n):
    for _ in range(n):
        policy.learn(None)
    return policy


def test_a_row_is_the_mean_of_the_lessons_since_the_last():
    rows = fed(LoggedPolicy(Counting()), 2 * EVERY_IMAGES + 3).rows
    # Of 5 … 10 and 11 … 20; the last three deliveries fill no row.
    assert rows == [{"images": 10, "x_loss": 7.5}, {"images": 20, "x_loss": 15.5}]


def test_an_engines_lesson_is_what_it_predicted_before_it_learned():
    engine = build_engine(SpiffEngineSpec(hidden_units=16, warm_up_images=32), SPACE, seed=0)
    learn_online(engine, SyntheticBits(), [REQUIREMENT], 32, stream(0, "training"))
    assert engine.lesson() == {}  # the warm-up predicts nothing
    instance, rng = SyntheticBits(), stream(1, "one more")
    image, network = instance.context(rng)
    x = engine.choose(image, network, REQUIREMENT).configuration
    delivered = instance.deliver(image, network, REQUIREMENT, x, rng)
    state, action = engine.state_of(image, network), np.array([SPACE.vector(x)], np.float32)
    expected = engine.predicted_costs(state, action, REQUIREMENT, engine.elapsed(image))
    terms = engine._terms(state, action)[:, 0]
    reached = log_terms(engine.outcome_of(delivered)[None])[0]
    spread = engine._spread_of(state, action)[:, 0].copy()
    engine.learn(delivered)
    lesson = engine.lesson()
    assert lesson["predicted_cost"] == pytest.approx(expected[0], rel=1e-5)
    shortfalls = [
        weight * max(wanted - got, 0.0)
        for kind in ("pf", "sf")
        for weight, wanted, got in zip(
            getattr(REQUIREMENT, f"lambda_{kind}"),
            getattr(REQUIREMENT, f"{kind}_min"),
            getattr(delivered, kind),
            strict=True,
        )
    ]
    late = REQUIREMENT.lambda_delay * max(delivered.delay_s / REQUIREMENT.deadline_s - 1, 0)
    by_hand = delivered.size_bits / image.source_bits + sum(shortfalls) + late
    assert lesson["cost"] == pytest.approx(by_hand, abs=1e-3)
    # Eqs. 3–4 in torch, term by term.
    error = torch.from_numpy((reached[:, None] - terms) / spread[:, None])
    kappa, size = engine.critics.kappa, error.abs()
    huber = torch.where(size <= kappa, 0.5 * error.square(), kappa * (size - 0.5 * kappa)) / kappa
    losses = ((engine.critics.levels - (error < 0).float()).abs() * huber).sum(-1)
    names = ("bits", "pf_0", "sf_0", "pf_1", "sf_1", "delay")
    assert [lesson[f"{name}_loss"] for name in names] == pytest.approx(losses.tolist(), rel=1e-4)


def test_tensorboard_shows_the_rows(tmp_path):
    pytest.importorskip("tensorboard", reason="an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fed(LoggedPolicy(Counting(), tensorboard_teller(tmp_path / "s")), 20)
    events = EventAccumulator(str(tmp_path / "s")).Reload().Scalars("loss/x")
    assert [(event.step, event.value) for event in events] == [(10, 7.5), (20, 15.5)]


def test_without_the_package_tensorboard_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"^--tensorboard: needs .*pip install 'ntnsim\[tensorboard\]'$"):
        tensorboard_teller(tmp_path)
