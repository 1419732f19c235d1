"""NR tables: TS 38.214 (CQI, MCS), TS 38.306 4.1.2 (peak rate), TS 38.101 (resource blocks)."""

import pytest

from ntnsim.link.adaptation import level_table
from ntnsim.link.numerology import default_overhead, resource_blocks, resource_elements_per_s, slot_s
from ntnsim.link.retransmission import RetransmissionSettings, stall_share


def levels(table_number, kind):
    return level_table(table_number=table_number, levels=kind, threshold_set="measured_nr_ldpc_awgn")


@pytest.mark.parametrize(
    ("table_number", "efficiency"),
    [  # TS 38.214, Tables 5.2.2.1-2, -3, -4
        (
            1,
            [
                0.1523,
                0.2344,
                0.3770,
                0.6016,
                0.8770,
                1.1758,
                1.4766,
                1.9141,
                2.4063,
                2.7305,
                3.3223,
                3.9023,
                4.5234,
            ],
        ),
        (
            2,
            [
                0.1523,
                0.3770,
                0.8770,
                1.4766,
                1.9141,
                2.4063,
                2.7305,
                3.3223,
                3.9023,
                4.5234,
                5.1152,
                5.5547,
                6.2266,
            ],
        ),
        (
            3,
            [
                0.0586,
                0.0977,
                0.1523,
                0.2344,
                0.3770,
                0.6016,
                0.8770,
                1.1758,
                1.4766,
                1.9141,
                2.4063,
                2.7305,
                3.3223,
            ],
        ),
    ],
)
def test_cqi_tables_give_the_published_efficiencies(table_number, efficiency):
    own = levels(table_number, "cqi").efficiency
    assert len(own) == 15
    assert own[:13] == pytest.approx(efficiency, abs=1e-4)


@pytest.mark.parametrize(
    ("table_number", "first", "last", "peak"),
    [(1, 0.2344, 5.5547, 28), (2, 0.2344, 7.4063, 27), (3, 0.0586, 4.5234, 28)],
)
def test_mcs_tables_begin_and_end_as_published(table_number, first, last, peak):
    own = levels(table_number, "mcs")
    assert own.efficiency[0] == pytest.approx(first, abs=1e-4)
    assert own.efficiency[-1] == pytest.approx(last, abs=1e-4)
    assert own.index[-1] == peak


@pytest.mark.parametrize(
    ("bandwidth_hz", "carrier_hz", "spacing_hz", "blocks", "bits", "mbps"),
    [  # check points of TS 38.306, 4.1.2
        (20e6, 2e9, 15e3, 106, 8, 113.426),
        (30e6, 2e9, 30e3, 78, 8, 166.929),
        (400e6, 20e9, 120e3, 264, 6, 1616.131),
    ],
)
def test_peak_rate_of_ts_38_306(bandwidth_hz, carrier_hz, spacing_hz, blocks, bits, mbps):
    own_blocks = resource_blocks(bandwidth_hz, carrier_hz, spacing_hz)
    assert own_blocks == blocks
    elements_per_s = resource_elements_per_s(own_blocks, spacing_hz, default_overhead(carrier_hz, "dl"))
    rate = elements_per_s * bits * 948 / 1024  # one layer at the highest code rate
    assert rate / 1e6 == pytest.approx(mbps, abs=1e-3)


def test_a_handhelds_360_khz_are_two_resource_blocks():
    assert resource_blocks(0.36e6, 2e9, 15e3) == 2
    with pytest.raises(ValueError, match="bandwidth_hz must be >= 720000"):
        resource_blocks(0.36e6, 2e9, 60e3)


def test_a_width_between_two_channels_is_filled_to_the_share_of_the_lower_one():
    # 400/3 MHz at 120 kHz: the 100 MHz channel has 66 blocks, so 88 fit.
    assert resource_blocks(400e6 / 3, 30e9, 120e3) == 88


def test_spacing_that_a_frequency_range_does_not_use_is_refused():
    with pytest.raises(ValueError, match="15000 is not used in FR2"):
        resource_blocks(100e6, 20e9, 15e3)


@pytest.mark.parametrize(
    ("round_trip_ms", "spacing_hz", "processes"),
    [
        (12.89, 15e3, 13),
        (12.89, 30e3, 26),
        (12.89, 120e3, 104),
        (25.77, 15e3, 26),
        (25.77, 30e3, 52),
        (25.77, 120e3, 207),
    ],
)
def test_so_many_harq_processes_keep_the_link_busy_over_leo_600(round_trip_ms, spacing_hz, processes):
    def share(n):
        settings = RetransmissionSettings(processes=n, processing_s=0.0)
        return stall_share(round_trip_ms / 1e3, slot_s(spacing_hz), settings)

    assert share(processes) == 1.0 > share(processes - 1)


def test_1024qam_tables_have_the_published_efficiencies():
    # TS 38.214, Tables 5.2.2.1-5 and 5.1.3.1-4.
    cqi = [
        0.1523,
        0.3770,
        0.8770,
        1.4766,
        2.4063,
        3.3223,
        3.9023,
        4.5234,
        5.1152,
        5.5547,
        6.2266,
        6.9141,
        7.4063,
    ]
    assert levels(4, "cqi").efficiency == pytest.approx([*cqi, 8.3301, 9.2578], abs=6e-5)
    mcs = levels(4, "mcs").efficiency
    assert mcs[-4:] == pytest.approx([7.8662, 8.3301, 8.7939, 9.2578], abs=6e-5)
    assert mcs[:3] == pytest.approx([0.2344, 0.3770, 0.8770], abs=6e-5)
    assert levels(4, "mcs").bits_per_symbol[-1] == 10
