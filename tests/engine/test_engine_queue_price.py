"""The queue's price: by hand, in the decision, and in the world, where the myopic cost lets the queue grow."""

import numpy as np
import pyarrow as pa
import pytest
from drawn_memory import fill_memory
from pydantic import ValidationError

from ntnsim.engine.build import build_bandit
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.queue_price import LONGEST_WAIT, backlog_price
from ntnsim.engine.synthetic import PIXELS, REQUIREMENT, SOURCE_BITS, SPACE, SyntheticBits, network_state
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction, Work
from ntnsim.protocols.policy import ImageState
from ntnsim.scenario.policy import LinearBanditSpec, NeuralContextualBanditSpec, SpiffEngineSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.streams import stream
from ntnsim.world.world import World

RATE_BPS = 400e3
INSTANCE = SyntheticBits(slow_rate_bps=RATE_BPS, fast_rate_bps=RATE_BPS)
SETTINGS = [SpiffEngineSpec(hidden_units=32), LinearBanditSpec(explore="none")]


def test_price_is_the_backlogs_drain_time_in_deadlines():
    # 4 Mbit at 400 kbit/s are 10 s: half a deadline.
    network = network_state(RATE_BPS, backlog_bits=4e6)
    assert backlog_price(network, 20.0, 3.0) == pytest.approx(1.5)
    assert backlog_price(network_state(RATE_BPS), 20.0, 3.0) == 0.0
    blocked = network._replace(satellite_link=network.satellite_link._replace(rate_bps=0.0))
    assert backlog_price(blocked, 20.0, 3.0) == 3.0 * LONGEST_WAIT


@pytest.mark.parametrize("settings", SETTINGS)
def test_decisions_cost_what_is_predicted_and_the_price_of_the_bits(settings):
    policy = build_bandit(settings.model_copy(update={"queue_price": 4.0}), SPACE, seed=0)
    fill_memory(policy, INSTANCE, [REQUIREMENT], 300, stream(0, "offline"))
    policy.update(100)
    image, _ = INSTANCE.context(stream(1, "test"))
    actions = np.array([(0.0, 0.1), (0.2, 0.5), (1.0, 0.0)], dtype=np.float32)
    true = INSTANCE.bits_share(image.rank_fractions[1], actions.astype(float))
    network = network_state(RATE_BPS, backlog_bits=4e6)
    state = policy.state_of(image, network)
    np.testing.assert_allclose(policy.predicted_bits(state, actions), true, rtol=0.15)
    added = policy.decision_costs(state, image, network, REQUIREMENT, actions) - policy.predicted_costs(
        state, actions, REQUIREMENT, 0.0
    )
    np.testing.assert_allclose(added, 4.0 * 0.5 * policy.predicted_bits(state, actions), rtol=1e-4)


class FormulaImaging:
    """Images of the synthetic instance in the world: sizes and fidelities by its formulas, without noise."""

    n_ranks = 2
    score_names = ()
    work = Work((), (), ())

    def __init__(self) -> None:
        self._high: dict[str, float] = {}

    def capture(self, source, index):
        high = float(stream(5, str(index)).uniform(0.2, 0.6))
        self._high[str(index)] = high
        return Capture(str(index), SOURCE_BITS, ImageState((1.0 - high, high), SOURCE_BITS, *PIXELS))

    def encode(self, image_id, configuration):
        x = np.array(SPACE.vector(configuration))
        return Encoded(float(INSTANCE.bits_share(self._high[image_id], x)) * SOURCE_BITS, (0, 0), 0)

    def expect(self, image_id, configuration):
        pass

    def reconstruct(self, image_id, configuration):
        pf_0, sf_0, pf_1, sf_1 = INSTANCE.fidelity_means(np.array(SPACE.vector(configuration)))
        return Reconstruction(0.0, (pf_0, pf_1), (sf_0, sf_1))

    def forget(self, image_id, configuration):
        pass


def served(settings, queue_price: float) -> dict[str, np.ndarray]:
    """Records of a world whose link carries less than the bits that are cheapest for each image alone."""
    policy = build_bandit(settings.model_copy(update={"queue_price": queue_price}), SPACE, seed=0)
    fill_memory(policy, INSTANCE, [REQUIREMENT], 400, stream(0, "offline"))
    policy.update(400)
    scenario = Scenario.model_validate(
        {
            "name": "queue",
            "seed": 3,
            "horizon": {"n_jobs": 400},
            "sources": [{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 0.4}}],
            "gateways": [{"name": "gateway", "device": "instant"}],
            "satellite_link": {"kind": "constant", "rate_bps": RATE_BPS},
            "data_network": {"device": "instant"},
            "output": {"timeline_step_s": None},
            "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 1e6}}],
        }
    )
    columns = []
    World(scenario, "s", FormulaImaging(), policy, REQUIREMENT, columns.append).run()
    table = pa.concat_tables([pa.table(dict(part)) for part in columns])
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.parametrize("settings", SETTINGS)
def test_in_the_world_the_price_keeps_a_queue_short_that_the_myopic_cost_lets_grow(settings):
    myopic, priced = served(settings, 0.0), served(settings, 100.0)
    assert np.mean(myopic["delay_s"]) > 2.0 * REQUIREMENT.deadline_s
    assert np.mean(myopic["deadline_met"]) < 0.2
    assert np.mean(priced["deadline_met"]) > 0.99
    assert np.mean(priced["delay_s"]) < 0.5 * REQUIREMENT.deadline_s

    def cost(records: dict[str, np.ndarray]) -> float:
        ranks = [(kind, rank) for rank in (0, 1) for kind in ("pf", "sf")]
        outcomes = [1.0 - records["savings"], *(records[f"{kind}_rank_{rank}"] for kind, rank in ranks)]
        return float(
            realised_cost(
                np.stack((*outcomes, records["delay_s"] / REQUIREMENT.deadline_s), -1),
                np.array(interleaved(REQUIREMENT.lambda_pf, REQUIREMENT.lambda_sf)),
                np.array(interleaved(REQUIREMENT.pf_min, REQUIREMENT.sf_min)),
                np.array(REQUIREMENT.lambda_delay),
                np.array(1.0),
            ).mean()
        )

    # The price is paid in fidelity; over all images Eq. 2a, lateness included, is far cheaper for it.
    assert np.mean(priced["pf_rank_0"]) < np.mean(myopic["pf_rank_0"])
    assert cost(priced) < 0.1 * cost(myopic)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NeuralContextualBanditSpec(queue_price=1.0), "not for ncb"),
        (lambda: SpiffEngineSpec(queue_price=1.0, decide="actor"), "needs decide: search"),
    ],
)
def test_policies_that_cannot_be_priced_refuse(make, said):
    with pytest.raises(ValidationError, match=said):
        make()
