"""Each code block of the guides runs, in order, in an empty directory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(\w+)( no-run)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", ["sweeps.md", "extending.md"])
def test_every_block_of_a_guide_runs(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = tmp_path / "bin" / "ntnsim"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nfrom ntnsim.cli import main\nif __name__ == '__main__':\n    main()\n"
    )
    command.chmod(0o755)
    search = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": search, "PYTHONPATH": str(ROOT)}
    names: dict[str, object] = {}
    kinds = []
    for kind, skipped, text in BLOCK.findall((ROOT / "docs" / guide).read_text(encoding="utf-8")):
        if skipped:
            continue
        kinds.append(kind)
        if kind == "yaml":
            file = re.match(r"# (\S+\.yaml)\n", text)
            assert file, f"a YAML block begins with its file's name: {text[:60]}"
            Path(file.group(1)).write_text(text, encoding="utf-8")
        elif kind == "sh":
            done = subprocess.run(
                ["bash", "-ec", text], capture_output=True, text=True, env=environment, timeout=120
            )
            assert done.returncode == 0, done.stderr
        else:
            assert kind == "python"
            exec(compile(text, guide, "exec"), names)
    assert "python" in kinds


def test_the_adaptive_example_is_a_valid_section(tmp_path):
    from ntnsim.scenario.load import load_scenario

    blocks = [
        text for kind, _, text in BLOCK.findall((ROOT / "docs/sweeps.md").read_text()) if kind == "yaml"
    ]
    base = blocks[0].split("sweep:\n")[0]
    (tmp_path / "adaptive.yaml").write_text(base + blocks[1])
    assert load_scenario(tmp_path / "adaptive.yaml").sweep.adaptive.max_replications == 12


def test_the_scenario_reference_is_what_the_schema_says():
    made = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'docs')!r})\n" + PRINT_REFERENCE],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    written = (ROOT / "docs/scenario.md").read_text(encoding="utf-8")
    assert written == made, "the scenario has changed: run python docs/scenario_reference.py"


def test_the_dictionary_of_columns_is_what_the_types_say():
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'docs')!r})\n"
        "from column_reference import reference; sys.stdout.write(reference())"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    written = (ROOT / "docs/columns.md").read_text(encoding="utf-8")
    assert written == made, "the columns have changed: run python docs/column_reference.py"


PRINT_REFERENCE = (
    "from scenario_reference import reference; from ntnsim.scenario.scenario import Scenario\n"
    "sys.stdout.write(reference(Scenario.model_json_schema()))"
)


def test_every_link_of_the_scenario_reference_leads_to_a_heading():
    text = (ROOT / "docs/scenario.md").read_text(encoding="utf-8")
    headings = {line[3:].strip().lower() for line in text.splitlines() if line.startswith("## ")}
    links = set(re.findall(r"\]\(#(\w+)\)", text))
    assert links
    assert links <= headings
