"""Tables as LaTeX, ready for a paper: booktabs rules, numbers to the right, what LaTeX would misread escaped."""

from collections.abc import Sequence

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
    "\N{NO-BREAK SPACE}": "~",
}


def escaped(text: str) -> str:
    """Return *text* as LaTeX shows it."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def latex_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, columns: str, caption: str) -> str:
    """Return a ``table`` environment; it needs the package booktabs.

    headings: [n]; rows: each [n]. columns: a letter for each column, ``l`` for names and ``r`` for numbers.
    """
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escaped(caption)}}}",
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        _line(headings),
        r"    \midrule",
        *map(_line, rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    # A cell that begins with "[" would be taken as the argument of the line break before it.
    shown = [f"{{}}{text}" if text.startswith("[") else text for text in map(escaped, cells)]
    return f"    {' & '.join(shown)} \\\\"
