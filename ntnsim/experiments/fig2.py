"""Fig. 2: how much of a photograph each relevance rank takes, as CDFs over datasets.

    ntnsim experiment fig2 --out results/fig2 --persons PERSONS

Any of the datasets of Table I that are at hand can be drawn together.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.datasets.aerial import AerialDataset
from ntnsim.datasets.coco_stuff import CocoStuffDataset
from ntnsim.datasets.dataset import Dataset
from ntnsim.datasets.mastr1325 import Mastr1325Dataset
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.datasets.relevance import Relevance, relevance_preset
from ntnsim.errors import DatasetError
from ntnsim.experiments.arguments import experiment_parser
from ntnsim.experiments.codec_study import new_figure, save_noted
from ntnsim.report.style import STYLES, journal
from ntnsim.results.own_files import own_path
from ntnsim.run_progress import at_work


def rank_shares(dataset: Dataset, relevance: Relevance) -> Iterator[dict[str, object]]:
    """Yield, per photograph and rank, the share of pixels of that rank: the pixel relevance ratio."""
    for index in range(len(dataset)):
        image = dataset.image(index)
        if image.class_map is None:
            raise DatasetError(f"{image.name}: has no class map, so it has no pixel relevance ratio")
        ranks = relevance.rank_map(image.class_map, image.class_names)
        shares = np.bincount(ranks.ravel(), minlength=relevance.n_ranks) / ranks.size
        for rank, share in enumerate(shares):
            yield {"dataset": dataset.name, "image": image.name, "rank": rank, "share": float(share)}


def run(datasets: list[tuple[Dataset, str]], out: Path) -> pd.DataFrame:
    """Write fig2.csv and the figure; return the table. datasets: each with its relevance preset's name."""
    relevances = [relevance_preset(preset) for _, preset in datasets]
    rows = [
        row for (dataset, _), r in zip(datasets, relevances, strict=True) for row in rank_shares(dataset, r)
    ]
    table = pd.DataFrame(rows)
    with own_path(out / "fig2.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n")
    with journal():
        figure, axes = new_figure(len(datasets))
        for axis, (dataset, _), relevance in zip(axes, datasets, relevances, strict=True):
            of_dataset = table[table["dataset"] == dataset.name]
            for rank in range(relevance.n_ranks):
                shares = np.sort(of_dataset.loc[of_dataset["rank"] == rank, "share"].to_numpy())
                style = STYLES[rank]
                names = ("low", "high") if relevance.n_ranks == 2 else ("low", "medium", "high")
                axis.step(
                    np.concatenate([[0], shares, [1]]),
                    np.concatenate([[0], np.arange(1, len(shares) + 1) / len(shares), [1]]),
                    where="post",
                    color=style.colour,
                    dashes=style.dash or (1, 0),
                    label=names[rank] if rank < len(names) else str(rank),
                )
            axis.set(
                xlabel="pixel relevance ratio", ylabel="CDF", xlim=(0, 1), ylim=(0, 1), title=dataset.name
            )
            axis.legend()
        note = "; ".join(
            f"{dataset.name}: {len(dataset)} photographs, preset {preset}" for dataset, preset in datasets
        )
        save_noted(figure, out, "fig2", note)
    return table


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's *arguments* that follow the experiment's name."""
    parser = experiment_parser(__name__, __doc__)
    parser.add_argument("--persons", type=Path, metavar="DIR", help="person photographs with index.csv")
    parser.add_argument("--coco-stuff", type=Path, nargs=2, metavar=("IMAGES", "MAPS"))
    parser.add_argument("--mastr1325", type=Path, nargs=2, metavar=("IMAGES", "MASKS"))
    parser.add_argument("--aerial", type=Path, metavar="DIR", help="images/, masks/ and classes.csv")
    parser.add_argument("--limit", type=int, help="photographs per dataset")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    datasets: list[tuple[Dataset, str]] = []
    if given.persons:
        datasets.append((PersonsDataset(given.persons, "all", limit=given.limit), "person"))
    if given.coco_stuff:
        datasets.append((CocoStuffDataset(*given.coco_stuff, limit=given.limit), "coco-stuff"))
    if given.aerial:
        datasets.append((AerialDataset(given.aerial, given.limit), "sssid"))
    if given.mastr1325:
        images, masks = given.mastr1325
        datasets.append((Mastr1325Dataset(images, masks, given.limit), "mastr1325"))
    if not datasets:
        raise DatasetError(
            "fig2 needs --persons, --coco-stuff, --mastr1325 or --aerial: class maps are what it counts"
        )
    with at_work("counting pixels"):
        table = run(datasets, given.out)
    print(table.groupby(["dataset", "rank"])["share"].describe()[["count", "25%", "50%", "75%"]].to_string())
