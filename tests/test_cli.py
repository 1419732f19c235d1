"""The command line: a user's mistake is one clear line and exit code 2, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fork_server import forked
from PIL import Image

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"


def ntnsim(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return forked(*arguments, cwd=cwd, site=ROOT, environment=environment)


def test_help_lists_the_commands_and_each_has_an_example():
    text = ntnsim("--help").stdout
    for command in ("run", "validate", "plot", "encode", "decode", "link", "passes", "models"):
        assert f"  {command} " in text
        assert "Example" in ntnsim(command, "--help").stdout or command == "models"


def test_help_of_an_experiment_is_its_own():
    assert "Example: ntnsim experiment table4" in ntnsim("experiment", "--help").stdout
    own = ntnsim("experiment", "fig4", "--help").stdout
    assert own.startswith("usage: ntnsim experiment fig4") and "--images" in own


def test_version_is_the_packages_also_as_a_module():
    from ntnsim import __version__

    as_module = subprocess.run(
        [sys.executable, "-m", "ntnsim", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ntnsim("--version").stdout == as_module.stdout == f"ntnsim {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell):
    """What --show-completion prints, asked for by name: the option looks for the shell among its parent processes."""
    shown = ntnsim(_NTNSIM_COMPLETE=f"source_{shell}")
    assert shown.returncode == 0 and "complete" in shown.stdout.lower()


def test_completion_offers_the_commands():
    # What the script of bash asks for behind "ntnsim re".
    words = {"_NTNSIM_COMPLETE": "complete_bash", "COMP_WORDS": "ntnsim re", "COMP_CWORD": "1"}
    program = "import sys; sys.argv[0] = 'ntnsim'; from ntnsim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **words}, cwd=ROOT
    )
    assert done.stdout.split() == ["report"]


@pytest.mark.parametrize(
    ("rate", "answer"),
    [("10 Mbps", "write 1.0e+7"), ("2.5 Gbit/s", "write 2.5e+9"), ("10e6", "valid"), ("10.0e+6", "valid")],
)
def test_a_rate_is_taken_as_a_number_or_its_unit_told(rate, answer):
    done = ntnsim("validate", str(QUICKSTART), "--set", f"gateways[0].access.rate={rate}")
    assert answer in done.stdout + done.stderr
    assert (done.returncode == 0) == (answer == "valid")


def test_pages_and_figures_and_the_sky_are_made_without_torch(tmp_path):
    """Loading it takes seconds."""
    from ntnsim.api.run import run
    from ntnsim.scenario.load import load_scenario

    sizes = "schemes=[{name: s, codec: {kind: sizes, size_bits: 8.0e+5}}]"
    run(load_scenario(QUICKSTART, [sizes, "horizon.n_jobs=20"]), tmp_path / "run")
    for command in (["plot", "--figure", "delay_cdf"], ["report"], ["report", "--czml"]):
        program = (
            "import sys; from ntnsim.cli import app; "
            "app(sys.argv[1:], standalone_mode=False); print('torch' in sys.modules, file=sys.stderr)"
        )
        asked = [sys.executable, "-c", program, *command, str(tmp_path / "run")]
        done = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stderr.endswith("False\n"), command


def test_quickstart_is_valid():
    result = ntnsim("validate", str(QUICKSTART))
    assert (result.returncode, result.stdout) == (0, f"{QUICKSTART}: valid\n")


def test_schema_describes_every_section():
    import json

    schema = json.loads(ntnsim("schema").stdout)
    assert {"sources", "gateways", "space", "radio", "schemes"} <= set(schema["properties"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "none.yaml"], "none.yaml: no such file"),
        (["run", "scenarios/quickstart.yaml", "--set", "seed=-1"], "--set seed=-1: seed: -1 is not >= 0"),
        (
            ["run", "scenarios/quickstart.yaml", "--set", "task.bundle=huge", "--out", "results/no"],
            "no bundle named 'huge'",
        ),
        (["run", "scenarios/quickstart.yaml", "--out", "LICENSE"], "LICENSE: is a file"),
        (["encode", "none.jpg", "-o", "x.spiff"], "none.jpg"),
        (["encode", "LICENSE", "-o", "x.spiff"], "LICENSE: not a readable image"),
        (["decode", "LICENSE", "-o", "x.png"], "LICENSE"),
        (["plot", "docs/none"], "docs/none"),
        (["link", "--set", "3"], "'--set'"),
        (["run", "--frobnicate"], "No such option: --frobnicate"),
        (["passes"], "Missing argument 'SCENARIO'"),
        (["experiment", "fig3"], "experiment 'fig3' is unknown; allowed are fig2, fig4"),
        (["experiment", "fig4", "--frobnicate"], "experiment fig4: the following arguments are required: --out"),
        (["experiment", "fig4", "--ou", "no"], "experiment fig4: the following arguments are required: --out"),
    ],
)  # fmt: skip
def test_mistake_is_one_line_with_exit_code_2(arguments, complaint):
    result = ntnsim(*arguments)
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and complaint in lines[0], result.stderr
    assert "Traceback" not in result.stderr


def test_truncated_stream_names_the_missing_part(tmp_path):
    from PIL import Image

    Image.effect_noise((96, 64), 40).convert("RGB").save(tmp_path / "a.png")
    Image.new("L", (96, 64), 255).save(tmp_path / "mask.png")
    made = ntnsim(
        "encode",
        str(tmp_path / "a.png"),
        "-o",
        str(tmp_path / "a.spiff"),
        "--mask",
        str(tmp_path / "mask.png"),
    )
    assert made.returncode == 0, made.stderr
    data = (tmp_path / "a.spiff").read_bytes()
    (tmp_path / "cut.spiff").write_bytes(data[: len(data) // 2])
    result = ntnsim(
        "decode", str(tmp_path / "cut.spiff"), "-o", str(tmp_path / "b.png"), "--inpaint", "nearest"
    )
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "b.png").exists()


def test_a_pipe_has_each_line_when_it_is_said():
    says_and_ends = (
        "import os, ntnsim.cli as cli\ncli.app = lambda **_: (print('here I am'), os._exit(0))\ncli.main()\n"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", says_and_ends]
    assert subprocess.run(command, capture_output=True, text=True, env=buffered).stdout == "here I am\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["link", "--scenario", "scenarios/quickstart.yaml", "--plot", "p.foo"],
            "p.foo: is no kind of file that can be",
        ),
        (
            ["models", "evaluate", "tiny", "--data", "x", "--sheet", "s.foo"],
            "s.foo: is no kind of file that can be",
        ),
        (
            ["run", "scenarios/quickstart.yaml", "--out", "{tmp}/out", "--tensorboard", "/proc/x"],
            "/proc/x: cannot be",
        ),
        (
            ["experiment", "rate", "--data", "x", "--out", "{tmp}"],
            "rate_parts.csv: is there already, and not as ntnsim",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(arguments, complaint, tmp_path):
    (tmp_path / "rate_parts.csv").write_text("mine")
    result = ntnsim(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert result.returncode == 2, result.stderr
    assert complaint in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "rate_parts.csv").read_text() == "mine"


def test_a_satellite_that_stays_up_has_no_pass_number(tmp_path):
    shell = "{name: m, pattern: delta, altitude_m: 3.5786e+7, inclination_deg: 0, satellites: 4, planes: 1, phasing: 0}"
    (tmp_path / "geo.yaml").write_text(
        "name: geo\nhorizon: {n_jobs: 1}\nsources: [{name: c, arrivals: {kind: periodic, period_s: 60}}]\n"
        "gateways: [{name: g, latitude_deg: 44.8, longitude_deg: 10.3}]\n"
        f"space: {{constellation: {{kind: walker, shells: [{shell}]}}}}\n"
        "schemes: [{name: s, codec: {kind: sizes, size_bits: 1.0e+5}}]\n"
    )
    listed = ntnsim("passes", str(tmp_path / "geo.yaml"), "--hours", "30")
    [row] = [line.split() for line in listed.stdout.splitlines() if " m-00-" in line]
    assert row[:2] == ["m-00-01", "0.00"] and row[3] == "108000.00"
    refused = ntnsim("link", "--scenario", str(tmp_path / "geo.yaml"), "--pass", "0")
    assert refused.returncode == 2 and "a satellite that stays up has none" in refused.stderr


def test_a_warning_is_said_once(tmp_path):
    """Though the photograph that it is about is read twice, and pictures are opened in between."""
    photograph = tmp_path / "photograph.png"
    Image.new("RGB", (64, 48), (90, 120, 150)).save(photograph, icc_profile=b"no profile")
    done = ntnsim("score", str(photograph), str(photograph))
    assert done.returncode == 0
    assert done.stderr.count("ntnsim: warning:") == 1 and "colour profile is not usable" in done.stderr
