"""Lets tests of figures and pages use the synthetic runs of the results' tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "results"))
