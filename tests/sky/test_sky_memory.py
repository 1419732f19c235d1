"""What users rely on beside results: memory that stays small, and quick commands that load no large library.

Times are in ``benchmarks/orbit_passes.py`` and ``benchmarks/link_speed.py``.
"""

import subprocess
import sys
import tracemalloc

import pytest

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, Site
from ntnsim.orbit.passes import find_passes
from ntnsim.scenario.space import PRESET_SHELLS

DAY_S, STEP_S = 86_400.0, 10.0
SITE = Site("parma", 44.8, 10.33, 50.0, 25.0)


@pytest.fixture(scope="module")
def starlink():
    shells = [Shell(**shell.model_dump()) for shell in PRESET_SHELLS["starlink-shell1-1584"]]
    return walker_orbits(shells, EARTH_MODELS["wgs84"])


def test_day_of_passes_of_1584_satellites_takes_less_than_150_mb(starlink):
    tracemalloc.start()
    find_passes(starlink, SITE, 0.0, DAY_S, step_s=STEP_S)
    assert tracemalloc.get_traced_memory()[1] < 150e6
    tracemalloc.stop()


def test_import_of_the_link_leaves_itur_alone():
    code = "import ntnsim.link, ntnsim.link.pass_link, sys; sys.exit('itur' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
