"""LaTeX tables: a header that LaTeX takes, every special character escaped, the same figures as the text's."""

import re
import subprocess
import sys

import pytest
from synthetic_run import write_run

from ntnsim.results.latex import escaped, latex_table
from ntnsim.results.read import find_runs
from ntnsim.results.show import summary_cells, summary_latex


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("82.6 ± 6.3 %", r"82.6 $\pm$ 6.3 \%"),
        ("a_b & c#{x}", r"a\_b \& c\#\{x\}"),
        ("C:\\tmp^2~$1", r"C:\textbackslash{}tmp\textasciicircum{}2\textasciitilde{}\$1"),
        ("–", "--"),
    ],
)
def test_what_latex_would_misread_is_escaped(text, expected):
    assert escaped(text) == expected


def test_a_table_by_hand():
    assert latex_table(["", "a_1"], [["delay", "[1, 2]"]], columns="lr", caption="100 %") == "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            r"  \caption{100 \%}",
            r"  \begin{tabular}{lr}",
            r"    \toprule",
            r"     & a\_1 \\",
            r"    \midrule",
            r"    delay & {}[1, 2] \\",
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def test_a_runs_table_has_the_cells_of_its_summary(tmp_path):
    write_run(tmp_path / "run", n_jobs=60)
    summary = find_runs([tmp_path / "run"])[0].summary()
    headings, rows = summary_cells(summary)
    lines = [line for line in summary_latex(summary).splitlines() if line.endswith(r"\\")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]
    expected = [[escaped(cell).strip() for cell in row] for row in (headings, *rows)]
    assert [[cell.removeprefix("{}") for cell in row] for row in cells] == expected


def test_the_command_prints_a_run_without_torch(tmp_path):
    write_run(tmp_path / "run", n_jobs=60)
    program = (
        f"import sys; sys.argv[1:] = ['table', {str(tmp_path / 'run')!r}, '--latex']\n"
        "from ntnsim.cli import app; app(standalone_mode=False); print({'torch'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(r"\begin{table}")
    assert done.stderr.strip() == "set()"
