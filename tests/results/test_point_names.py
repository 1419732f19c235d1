"""What points of a sweep are called: labels of the user's, else values, else where objects differ. Never raw JSON."""

from ntnsim.results.point_names import PointNames

ENGINE = {"kind": "spiff-engine", "learning": {"rate": 0.001, "batch": 64}}
SLOW = {"kind": "spiff-engine", "learning": {"rate": 0.0001, "batch": 64}}
FIXED = {"kind": "fixed", "patch_fractions": [0.1, 0.2]}


def test_objects_are_called_by_what_differs():
    names = PointNames({"schemes.a.policy": policy, "background": 0.5} for policy in (ENGINE, SLOW))
    assert (
        names.title({"schemes.a.policy": ENGINE, "background": 0.5})
        == "policy = rate 0.001, background = 0.5"
    )
    assert (
        names.title({"schemes.a.policy": SLOW, "background": 0.5}) == "policy = rate 0.0001, background = 0.5"
    )


def test_objects_of_different_kinds_are_called_by_their_kinds_first():
    names = PointNames({"policy": policy} for policy in (ENGINE, FIXED, None))
    assert names.title({"policy": FIXED}) == "policy = kind fixed, patch_fractions [0.1, 0.2]"
    assert names.title({"policy": ENGINE}) == "policy = kind spiff-engine, rate 0.001, batch 64"
    assert names.title({"policy": None}) == "policy = null"


def test_many_differences_are_cut():
    wide = [{f"key{number}": number + shift for number in range(9)} for shift in (0, 1)]
    names = PointNames({"x": value} for value in wide)
    assert names.title({"x": wide[0]}) == "x = key0 0, key1 1, key2 2 …"


def test_labels_go_before_values_and_an_empty_one_leaves_its_value_out():
    point = {"policy": ENGINE, "background": 0.3, "load": 0.1 + 0.2}
    title = PointNames([point]).title(point, {"policy": "learning, in rain", "background": ""})
    assert title == "learning, in rain, load = 0.3"


def test_a_point_alone_is_called_by_all_that_it_holds():
    point = {"fault": {"kind": "rain", "rate_mm_h": 25.0}}
    assert PointNames([point]).title(point) == "fault = kind rain, rate_mm_h 25"
