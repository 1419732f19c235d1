"""Validation opens what a scenario names: each kind of missing file is one line, and nothing heavy is imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ntnsim.errors import InputError
from ntnsim.named_files import check_files
from ntnsim.scenario.load import load_scenario

QUICKSTART = Path(__file__).parents[1] / "scenarios" / "quickstart.yaml"


# Their photographs or weights are the user's to bring: they are not in the repository.
WANTING = {"aerial", "maritime", "paper_fig12", "paper_table4"}
SHIPPED = [file for file in sorted(QUICKSTART.parent.glob("*.yaml")) if file.stem not in WANTING]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_everything_that_the_shipped_scenarios_name_is_there(file):
    check_files(load_scenario(file))


@pytest.mark.parametrize("stem", sorted(WANTING))
def test_scenario_that_wants_files_of_the_users_says_which(stem):
    scenario = load_scenario(QUICKSTART.with_name(f"{stem}.yaml"))
    try:
        check_files(scenario)
    except InputError as error:
        assert re.search(
            r"scenarios/data/[\w/]+: the dataset \w+ needs this directory|models pull", str(error)
        )
        assert "\n" not in str(error)
    else:  # a machine where somebody has put them there
        assert (QUICKSTART.parent / "data").is_dir()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "datasets.samples={kind: folder, path: nowhere}",
            "nowhere: the dataset folder needs this directory",
        ),
        ("task.bundle=./nowhere", "nowhere does not exist"),
        ("task.clip=nowhere", "task.clip:"),
        (
            "space.constellation={kind: element_sets, path: nowhere.tle}",
            "nowhere.tle: cannot read element sets",
        ),
        ("gateways.parma.device=nowhere.yaml#x", "nowhere.yaml: no such file"),
        ("gateways.parma.device=abacus", "device 'abacus': no such profile"),
        ("data_network.device=abacus", "device 'abacus': no such profile"),
        ("sources[0].arrivals={kind: trace, path: nowhere.csv}", "nowhere.csv: cannot be read"),
        ("schemes[0].policy={kind: ncb, checkpoint: nowhere}", "policy.checkpoint:"),
        ("schemes[0].policy={kind: oracle, table: nowhere}", "policy.table:"),
        ('schemes[0].policy={kind: python, class: "nowhere_at_all:Mine"}', "no nowhere_at_all.py in"),
    ],
)
def test_what_is_missing_is_told(override, message):
    scenario = load_scenario(QUICKSTART, [override])
    with pytest.raises(InputError, match=re.escape(message)):
        check_files(scenario)


def test_the_command_opens_files_unless_told_not_to_and_without_heavy_libraries():
    program = (
        "import sys; from ntnsim.cli import app\n"
        "sys.argv[1:] = ['validate', *sys.argv[1:]]; app(standalone_mode=False)\n"
        "print({'torch', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    missing = ["--set", "task.clip=nowhere"]
    for extra, code in (([], 0), (missing, 1), ([*missing, "--no-files"], 0)):
        command = [sys.executable, "-c", program, str(QUICKSTART), *extra]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code
        assert code or done.stdout.endswith("valid\nset()\n")
