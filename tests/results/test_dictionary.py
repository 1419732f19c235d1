"""The dictionary of columns: each has a meaning, and the unit that its name promises."""

import json
import subprocess
import sys

import pytest
from synthetic_run import write_run

import ntnsim
from ntnsim.results.read import find_runs

UNITS_BY_HAND = {
    "delay_s": "s",
    "original_bits": "bit",
    "bits_rank_1": "bit",
    "width_px": "px",
    "gateway_energy_j": "J",
    "omega_ntn_elevation_deg": "°",
    "omega_ntn_sinr_db": "dB",
    "omega_ntn_rate_bps": "bit/s",
    "psnr_db": "dB",
    "savings": "",
    "pf_rank_0": "",
    "rank_fraction_0": "",
    "access_attempts": "",
    "omega_ntn_satellite": "",
    "omega_gw_busy_servers": "",
}


def test_every_column_has_a_meaning_of_its_own():
    meanings = [column.meaning for column in ntnsim.columns()]
    assert all(len(meaning) > 3 for meaning in meanings)
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize(("name", "unit"), UNITS_BY_HAND.items())
def test_units_follow_the_names(name, unit):
    [column] = [column for column in ntnsim.columns() if column.name == name]
    assert column.unit == unit


def test_the_columns_of_a_run_are_those_of_its_records(tmp_path):
    write_run(tmp_path / "run", n_jobs=5)
    names = [column.name for column in ntnsim.columns(tmp_path / "run")]
    assert names == find_runs([tmp_path / "run"])[0].record_columns()


def test_the_command_prints_them_without_torch():
    program = (
        "import sys; sys.argv[1:] = ['columns', '--json']\n"
        "from ntnsim.cli import app; app(standalone_mode=False); print({'torch', 'simpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
    rows = json.loads(done.stdout)
    assert {
        "name": "savings",
        "type": "real",
        "unit": "",
        "meaning": "1 − transmitted_bits / original_bits",
    } in rows
