"""The command line: a user's mistake is one clear line and exit code 2, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"


def ntnsim(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", "from ntnsim.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=120,
    )


def test_help_lists_the_commands_and_each_has_an_example():
    text = ntnsim("--help").stdout
    for command in ("run", "validate", "plot", "encode", "decode", "link", "passes", "models"):
        assert f"  {command} " in text
        assert "Example" in ntnsim(command, "--help").stdout or command == "models"


def test_help_of_an_experiment_is_its_own():
    assert "Example: ntnsim experiment table4" in ntnsim("experiment", "--help").stdout
    own = ntnsim("experiment", "fig4", "--help").stdout
    assert own.startswith("usage: ntnsim experiment fig4") and "--images" in own


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
