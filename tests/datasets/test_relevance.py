"""The relevance function and its presets."""

import numpy as np
import pytest

from ntnsim.datasets.coco_stuff import CLASS_NAMES
from ntnsim.datasets.relevance import PRESETS, Relevance, relevance_preset
from ntnsim.errors import ScenarioError


@pytest.mark.parametrize(
    ("preset", "low", "medium", "high"),
    [
        # Paper, Table I: first and last category of each row.
        ("coco-stuff", ("water", "plant"), ("solid", "wall"), ("sports", "kitchen")),
        ("sssid", ("water_body", "background"), ("industrial_site", "roof"), ("boat", "vehicle")),
        ("mastr1325", ("water", "sky"), ("obstacle",), ("unknown",)),
    ],
)
@pytest.mark.filterwarnings("ignore:relevance preset coco-stuff")
def test_presets_rank_as_table_i(preset, low, medium, high):
    relevance = relevance_preset(preset)
    assert relevance.n_ranks == 3
    for rank, names in enumerate((low, medium, high)):
        assert [relevance.rank_of(name) for name in names] == [rank] * len(names)


def test_furniture_named_twice_in_table_i_is_high_and_as_stuff_medium():
    with pytest.warns(UserWarning, match="ranks furniture as Medium and as High"):
        relevance = relevance_preset("coco-stuff")
    assert (relevance.rank_of("furniture"), relevance.rank_of("furniture-stuff")) == (2, 1)


def test_every_coco_stuff_class_has_a_rank_of_its_own():
    assert set(CLASS_NAMES) == set(PRESETS["coco-stuff"].ranks)


def test_person_task_has_two_ranks():
    relevance = relevance_preset("person")
    class_map = np.array([[0, 1, 255]], np.uint8)
    assert relevance.rank_map(class_map, ("other", "person")).tolist() == [[0, 1, 0]]


def test_user_rankings_may_have_any_number_of_ranks():
    relevance = Relevance("mine", {"a": 4, "b": 2}, default_rank=1)
    assert relevance.n_ranks == 5
    assert relevance.rank_map(np.array([[0, 1, 2]], np.uint8), ("a", "b", "c")).tolist() == [[4, 2, 1]]
    with pytest.raises(
        ScenarioError, match=r"relevance flat: ranks must be >= 0 and some must be >= 1, got \[0\]"
    ):
        Relevance("flat", {"a": 0})
    with pytest.raises(ScenarioError, match=r"preset 'cars' is unknown; allowed are person, coco-stuff"):
        relevance_preset("cars")
