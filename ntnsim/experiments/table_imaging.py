"""Photographs of an outcome table in the world: sizes and fidelities of real ones, without a picture being coded again.

What stands between the grid's points is interpolated. The world charges the stages that it is told, so delays are those
of the real pipeline; thousands of images then cost seconds.
"""

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.engine.outcome_table import OutcomeTable
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Capture, Encoded, Reconstruction, Work
from ntnsim.streams import stream


class TableImaging:
    """The world's `Imaging`: each capture shows a photograph of the table, drawn by its number."""

    score_names: tuple[str, ...] = ()

    def __init__(self, table: OutcomeTable, work: Work, seed: int) -> None:
        """Show *table*'s photographs, charged as *work* says; *seed*: of which one each capture shows."""
        self.table = table
        self.work = work
        self.n_ranks = table.space.n_ranks
        self._seed = seed
        self._places = {name: place for place, name in enumerate(table.image_ids)}
        self._found: dict[tuple[str, Configuration], FloatArray] = {}

    def capture(self, source: str, index: int) -> Capture:
        """Return a drawn photograph."""
        place = int(stream(self._seed, "photograph", source, str(index)).integers(len(self.table.images)))
        state = self.table.images[place]
        return Capture(self.table.image_ids[place], state.source_bits, state)

    def encode(self, image_id: str, configuration: Configuration) -> Encoded:
        """Return the size between the grid's points; all of it counts as overhead, for the table has no parts."""
        place = self._places[image_id]
        source_bits = self.table.images[place].source_bits
        size_bits = max(round(self._outcome(image_id, configuration)[0] * source_bits), 1)
        return Encoded(size_bits, (0,) * self.n_ranks, size_bits)

    def expect(self, image_id: str, configuration: Configuration) -> None:
        """Nothing to prepare."""

    def reconstruct(self, image_id: str, configuration: Configuration) -> Reconstruction:
        """Return the fidelities, and a file of the source's size."""
        outcome = self._outcome(image_id, configuration)
        source_bits = self.table.images[self._places[image_id]].source_bits
        return Reconstruction(source_bits, tuple(outcome[1::2].tolist()), tuple(outcome[2::2].tolist()))

    def forget(self, image_id: str, configuration: Configuration | None) -> None:
        """Nothing is held."""

    def _outcome(self, image_id: str, configuration: Configuration) -> FloatArray:
        key = (image_id, configuration)
        found = self._found.get(key)
        if found is None:
            x = self.table.space.vector(configuration)
            found = self._found[key] = self.table.between(self._places[image_id], np.array(x))
        return found
