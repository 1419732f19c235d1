"""Scenario files: what is wrong is said with file, line, field, value and what is allowed."""

import pytest

from ntnsim.errors import ScenarioError
from ntnsim.scenario.load import load_scenario

VALID = """\
name: small
seed: 3
horizon: {duration_s: 60}
sources:
  - name: harbour
    arrivals: {kind: poisson, rate_per_s: 1}
  - name: quay
    arrivals:
      kind: periodic
      period_s: 2
gateways:
  - name: parma
    servers: 2
satellite_link: {kind: constant, rate_bps: 1.0e6}
schemes:
  - name: sizes
    codec: {kind: sizes, size_bits: 8000}
"""


@pytest.fixture
def scenario_file(tmp_path):
    def write(text):
        path = tmp_path / "small.yaml"
        path.write_text(text)
        return path

    return write


def complaint(path, *overrides):
    """Return the one line that loading *path* complains in, without the directory."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, overrides)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_valid_file_loads_with_defaults_filled_in(scenario_file):
    scenario = load_scenario(scenario_file(VALID))
    assert scenario.sources[1].arrivals.period_s == 2
    assert scenario.requirement.deadline_s == 20  # the paper's d_max


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("period_s: 2", "period_s: -2", "small.yaml:10: sources[1].arrivals.period_s: -2 is not > 0"),
        ("period_s: 2", "period_s: .nan", "small.yaml:10: sources[1].arrivals.period_s: nan: input should be a finite number"),
        ("period_s: 2", "perod_s: 2", "small.yaml:10: sources[1].arrivals.perod_s: unknown key; did you mean 'period_s'?"),
        ("      period_s: 2\n", "", "small.yaml:8: sources[1].arrivals.period_s: is required"),
        ("kind: periodic", "kind: poison", "small.yaml:8: sources[1].arrivals: kind 'poison' is not one of 'periodic'"),
        ("servers: 2", "servers: two", "small.yaml:13: gateways[0].servers: 'two': input should be a valid integer"),
        ("name: quay", "name: harbour", "small.yaml:4: sources: the name 'harbour' is used 2 times"),
        ("name: parma",  "name: [", "small.yaml:14: expected ',' or ']', but got ':' (while parsing a flow sequence that begins in line 12)"),
        ("seed: 3", "seed: 3\nseed: 4", 'small.yaml:3: found duplicate key "seed"'),
        ("{duration_s: 60}", "{}", "small.yaml:3: horizon.duration_s: is required, as sources[0]"),
        ("horizon: {duration_s: 60}", "horizon:", "small.yaml:3: horizon: None is not a mapping of keys to values"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_its_line(scenario_file, old, new, message):
    assert old in VALID
    lines = complaint(scenario_file(VALID.replace(old, new, 1))).splitlines()
    assert any(line.startswith(message) for line in lines), lines


def test_every_mistake_gets_a_line_of_its_own(scenario_file):
    text = VALID.replace("period_s: 2", "period_s: -2").replace("seed: 3", "seed: -3")
    assert len(complaint(scenario_file(text)).splitlines()) == 2


def test_unknown_key_without_a_near_one_lists_what_is_known(scenario_file):
    message = complaint(scenario_file(VALID.replace("servers: 2", "zzz: 2")))
    assert message.startswith("small.yaml:13: gateways[0].zzz: unknown key; known keys: access, altitude_m,")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_file_without_a_mapping_is_refused(scenario_file, text):
    assert "a scenario is a mapping of keys to values" in complaint(scenario_file(text))


def test_missing_file_and_binary_file_are_named(tmp_path):
    assert complaint(tmp_path / "none.yaml") == "none.yaml: no such file"
    (tmp_path / "blob.yaml").write_bytes(bytes(range(128, 256)))
    assert complaint(tmp_path / "blob.yaml").startswith("blob.yaml: cannot be read as text")


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("seed=8", lambda s: s.seed, 8),
        ("sources[1].arrivals.period_s=5", lambda s: s.sources[1].arrivals.period_s, 5),
        ("sources.quay.arrivals.period_s=5", lambda s: s.sources[1].arrivals.period_s, 5),
        ("sources.0.arrivals={kind: periodic, period_s: 4}", lambda s: s.sources[0].arrivals.period_s, 4),
        ("data_network.batching.max_size=4", lambda s: s.data_network.batching.max_size, 4),
    ],
)
def test_override_changes_one_value(scenario_file, override, read, value):
    assert read(load_scenario(scenario_file(VALID), [override])) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "--set seed=-1: seed: -1 is not >= 0"),
        ("sources.pier.count=2", "--set sources.pier.count=2: the list has no element 'pier'"),
        ("sources[7].count=2", "--set sources[7].count=2: the list has no element '7'"),
        ("seed", "--set seed: expected PATH=VALUE"),
        ("seed.x=1", "--set seed.x=1: seed: {'x': 1}: input should be a valid integer"),
        ("gatewayz.x=1", "--set gatewayz.x=1: gatewayz: unknown key; did you mean 'gateways'?"),
    ],
)
def test_wrong_override_is_told_as_it_was_written(scenario_file, override, message):
    assert complaint(scenario_file(VALID), override).startswith(message)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources.quay.arrivals={kind: renewal, interval_s: 0}", "sources[1].arrivals: interval_s must have a mean > 0, got 0"),
        ("background={kind: on_off, on_load: 1, on_s: 1, off_s: 0}", "background: off_s must have a mean > 0, got 0"),
        ("faults=[{name: f, kind: gpu, time_to_failure_s: 0, time_to_repair_s: 1}]", "faults[0]: time_to_failure_s must have a mean > 0, got 0"),
        ("satellite_link={kind: windows, rate_bps: 1, period_s: 1, contact_s: 2}", "satellite_link: contact_s must be <= period_s = 1.0, got 2.0"),
        ("schemes=[]", "schemes: must have at least 1 entries, got 0"),
        ("start_utc=2026-06-01", "start_utc: 2026-06-01 needs a time and its zone, as in 2026-06-01T09:00:00Z"),
    ],
)  # fmt: skip
def test_what_could_never_run_is_refused_in_the_users_terms(scenario_file, override, message):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(scenario_file(VALID), [override])
    assert str(caught.value) == f"--set {override}: {message}"


def test_a_state_with_trials_needs_a_codec_that_makes_them(scenario_file):
    for codec in ("{kind: spiff}", "{kind: spiff-paper}", "{kind: jpeg}"):
        line = complaint(
            scenario_file(VALID),
            f"schemes=[{{name: one, codec: {codec}, policy: {{kind: ncb, trial_state: true}}}}]",
        )
        assert "policy.trial_state is true" in line
        assert "set trial > 0 on a codec of kind spiff" in line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate_bps: 1.0e6", "rate_bps: 10 Mbps", "rates are in bit/s: write 1.0e+7"),
        ("rate_bps: 1.0e6", "rate_bps: 250kbit/s", "rates are in bit/s: write 2.5e+5"),
        ("rate_bps: 1.0e6", "rate_bps: 1.25 Gb/s", "rates are in bit/s: write 1.25e+9"),
        (
            "period_s: 2",
            "period_s: 2 s",
            "'2 s' has a unit; write the number alone, in the unit that the key's name",
        ),
        ("seed: 3", "seed: 3 km", "'3 km' has a unit; write the number alone"),
    ],
)
def test_a_number_with_its_unit_is_told_how_to_be_written(scenario_file, old, new, message):
    assert message in complaint(scenario_file(VALID.replace(old, new)))
    written = message.rpartition("write ")[2]
    if "e+" in written:
        assert (
            load_scenario(scenario_file(VALID.replace(old, f"rate_bps: {written}"))).satellite_link.rate_bps
            > 1e5
        )


def test_a_text_that_is_no_number_is_not_taken_for_one_with_a_unit(scenario_file):
    assert "unit" not in complaint(scenario_file(VALID.replace("period_s: 2", "period_s: soon")))
