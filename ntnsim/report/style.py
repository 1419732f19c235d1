"""How every figure looks: widths of a journal's columns, type, and a colour, dash and marker per scheme.

The first seven colours are Okabe and Ito's (*Color Universal Design*, 2008); the others were chosen to stay apart from
them, and from each other, as people with each kind of colour blindness see them. Each scheme also has its own dash and
marker, and neighbours differ in lightness, so that a figure survives printing in grey.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntnsim.results.own_files import own_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGLE_COLUMN_IN = 3.5  # IEEE Transactions: 21 picas
DOUBLE_COLUMN_IN = 7.16  # 43 picas
PNG_DPI = 300


@dataclass(frozen=True, slots=True)
class SchemeStyle:
    """A scheme's look. dash: lengths of ink and gap in points, empty for a solid line."""

    colour: str
    dash: tuple[float, ...]
    marker: str


STYLES = (
    SchemeStyle("#0072B2", (), "o"),  # blue
    SchemeStyle("#D55E00", (5, 1.6), "s"),  # vermilion
    SchemeStyle("#009E73", (5, 1.5, 1, 1.5), "^"),  # green
    SchemeStyle("#000000", (1.2, 1.4), "D"),  # black
    SchemeStyle("#CC79A7", (8, 2), "v"),  # purple
    SchemeStyle("#E69F00", (3, 1.2, 1, 1.2, 1, 1.2), "P"),  # orange
    SchemeStyle("#56B4E9", (2.6, 1.2), "X"),  # sky blue
    SchemeStyle("#5C5C63", (8, 1.5, 2, 1.5), "*"),  # grey
    SchemeStyle("#513105", (1.2, 1.2, 4, 1.2), "<"),  # brown
    SchemeStyle("#010B92", (6, 1, 1, 1, 1, 1), ">"),  # navy
)
# Known schemes keep one look in every figure, whichever of them a run holds.
PREFERRED = {"spiff": 0, "jpeg": 1, "ncb": 2, "sc": 3, "spiff-paper": 4, "avif": 5, "webp": 6, "jxl": 7}

# One colour per delay component, from the source to the user: lightness alternates for grey printing, and neighbours
# stay apart with any colour vision.
COMPONENT_COLOURS = {
    "gw_comm": "#A6D8F0",
    "gw_comp": "#2F6FA8",
    "ntn_comm": "#F2A900",
    "dn_comp": "#3B1F5B",
    "dn_comm": "#C4577A",
}
# Values of a swept parameter, in order: light to dark, so order reads in grey too (viridis, cut at its pale end).
SEQUENCE_COLOURS = "viridis_r"
# What happens on a timeline and on a map.
PASS_COLOUR = "#0072B2"
FAULT_COLOUR = "#D55E00"


def scheme_styles(schemes: Iterable[str]) -> dict[str, SchemeStyle]:
    """Return a look for each of *schemes*: a known scheme's own, and the free ones in order for the others.

    Where all are taken, colours come again, with another marker and other dashes.
    """
    names = list(dict.fromkeys(schemes))
    taken = {PREFERRED[name] for name in names if name in PREFERRED}
    free = (number for number in count() if number not in taken)
    return {name: _look(PREFERRED[name] if name in PREFERRED else next(free)) for name in names}


def _look(number: int) -> SchemeStyle:
    turn, index = divmod(number, len(STYLES))
    shape = STYLES[(index + 3 * turn) % len(STYLES)]
    return SchemeStyle(STYLES[index].colour, shape.dash, shape.marker)


def in_preferred_order(schemes: Iterable[str]) -> list[str]:
    """Return *schemes* without repetition: the known ones in their usual order, then the others as they came."""
    names = list(dict.fromkeys(schemes))
    return sorted(names, key=lambda name: PREFERRED.get(name, len(PREFERRED)))


@contextmanager
def journal() -> Iterator[None]:
    """Draw with the journal's type and line widths, without a screen; the caller's settings come back afterwards."""
    import matplotlib as mpl

    settings: Any = {  # matplotlib types the keys as literals
        "font.family": "STIXGeneral",  # Times-like, shipped with matplotlib, so figures are the same everywhere
        "mathtext.fontset": "stix",
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "legend.fontsize": 7,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "axes.linewidth": 0.6,
        "axes.grid": True,
        "grid.linewidth": 0.4,
        "grid.color": "#DDDDDD",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.linewidth": 1.3,
        "lines.markersize": 3.5,
        "patch.linewidth": 0.5,
        "hatch.linewidth": 0.5,
        "legend.frameon": False,
        "legend.handlelength": 2.6,
        "figure.constrained_layout.use": True,
        "pdf.fonttype": 42,  # TrueType, which journals accept; type 3 they refuse
        "svg.hashsalt": "ntnsim",
        "savefig.dpi": PNG_DPI,
    }
    with mpl.rc_context(settings):
        yield


LEGEND_HANDLE_PT, LEGEND_LETTER_PT = 41.0, 3.3  # a sample with its gaps, and a letter of the legend's type
LEGEND_ROW_IN = 0.145


def legend_above(figure: "Figure", handles: Sequence[Any], labels: Sequence[str], most: int) -> None:
    """Put a legend above *figure*, in *most* columns or as many as its width has room for; more rows make it taller."""
    if not labels:
        return
    wanted = min(len(labels), most)
    room = 72 * figure.get_figwidth() / (LEGEND_HANDLE_PT + LEGEND_LETTER_PT * max(map(len, labels)))
    columns = max(1, min(wanted, int(room)))
    more_rows = ceil(len(labels) / columns) - ceil(len(labels) / wanted)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * more_rows)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


# The formats that figures are written in, and what would put a date or a version into them.
UNDATED: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}


def save(figure: "Figure", directory: Path, name: str) -> list[Path]:
    """Write *figure* as ``name.pdf`` and ``name.png`` in *directory*: the same figure gives the same bytes."""
    paths = []
    for suffix, metadata in UNDATED.items():
        path = directory / f"{name}.{suffix}"
        with own_path(path) as partial:
            figure.savefig(partial, format=suffix, metadata=metadata)
        paths.append(path)
    return paths
