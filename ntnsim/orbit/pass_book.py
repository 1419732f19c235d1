"""Passes over one site for as long as anybody asks, found hour by hour and never all at once.

The search runs in blocks of absolute time, so that a pass is the same number for number however the caller cuts its
windows. A pass that a block boundary cuts is joined with its continuation; a satellite that stays up for a whole
block (in a high orbit) serves in pieces, which :meth:`PassBook.whole_between` joins for who lists passes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from ntnsim.orbit.earth import Site
from ntnsim.orbit.passes import Orbits, PassTable, find_passes, find_passes_over_sites

BLOCK_S = 3600.0
KEPT_BLOCKS = 64
FEWEST_BLOCKS = 6  # that joining passes across boundaries and looking an hour ahead come back to
KEPT_PASSES = 10_000  # of a block's table each pass takes 42 bytes
LONGEST_PASS_BLOCKS = 48


@dataclass(frozen=True, slots=True)
class Pass:
    """One satellite over one site, from rise to set."""

    satellite: int
    rise_s: float
    culmination_s: float
    set_s: float
    max_elevation_deg: float


class PassBook:
    """The passes over *site*, looked up by time; what was not asked for the longest is searched again if need be.

    kept_passes: how many are remembered, beside those of the last few hours.
    """

    def __init__(
        self, orbits: Orbits, site: Site, *, step_s: float | None = None, kept_passes: int = KEPT_PASSES
    ) -> None:
        self.orbits = orbits
        self._kept_passes = kept_passes
        self._n_passes = 0
        self.site = site
        self.step_s = step_s
        self._tables: OrderedDict[int, PassTable] = OrderedDict()
        self._whole: tuple[int, list[Pass]] = (-1, [])  # the block asked for last, and its passes

    def between(self, start_s: float, end_s: float) -> list[Pass]:
        """Return the passes with a moment in [start_s, end_s), in order of rising."""
        first, last = int(start_s // BLOCK_S), int(-(-end_s // BLOCK_S)) - 1
        found: dict[tuple[int, float], Pass] = {}
        for block in range(first, last + 1):
            for satellite_pass in self._passes_of(block):
                if satellite_pass.rise_s < end_s and satellite_pass.set_s > start_s:
                    found[(satellite_pass.satellite, satellite_pass.rise_s)] = satellite_pass
        return sorted(
            found.values(), key=lambda satellite_pass: (satellite_pass.rise_s, satellite_pass.satellite)
        )

    def whole_between(self, start_s: float, end_s: float) -> list[Pass]:
        """Return the passes with a moment in [start_s, end_s), each from rise to set however long it lasts.

        A satellite that has been up for two days when the search begins, or stays up for two days after its end, is
        listed from the first hour of the search, or to its last.
        """
        first, last = int(start_s // BLOCK_S), int(-(-end_s // BLOCK_S)) - 1
        begin, end = first, last
        up = set(self._table(first).satellite[self._table(first).rise_clipped].tolist())
        while up and begin > first - LONGEST_PASS_BLOCKS:
            begin -= 1
            up &= self._up_throughout(begin)
        up = set(self._table(last).satellite[self._table(last).set_clipped].tolist())
        while up and end < last + LONGEST_PASS_BLOCKS:
            end += 1
            up &= self._up_throughout(end)
        chains: list[list[Pass]] = []
        under_way: dict[int, list[Pass]] = {}
        for block in range(begin, end + 1):
            for satellite_pass, head, tail in self._pieces(block):
                chain = under_way.pop(satellite_pass.satellite, None) if head else None
                if chain is None:
                    chain = []
                    chains.append(chain)
                # Outside the search count only passes whose rise is found; below, whose set is.
                if block >= first or not head or chain:
                    chain.append(satellite_pass)
                if tail:
                    under_way[satellite_pass.satellite] = chain
        for chain in under_way.values():
            chain[:] = [
                satellite_pass for satellite_pass in chain if satellite_pass.rise_s < (last + 1) * BLOCK_S
            ]
        whole = [reduce(_joined, chain) for chain in chains if chain]
        found = [
            satellite_pass
            for satellite_pass in whole
            if satellite_pass.rise_s < end_s and satellite_pass.set_s > start_s
        ]
        return sorted(found, key=lambda satellite_pass: (satellite_pass.rise_s, satellite_pass.satellite))

    def rising_between(self, start_s: float, end_s: float) -> list[Pass]:
        """Return the passes that rise in [start_s, end_s), whole, in order of rising."""
        first, last = int(start_s // BLOCK_S), int(-(-end_s // BLOCK_S)) - 1
        whole: list[Pass] = []
        under_way: dict[int, Pass] = {}
        block = first
        while block <= last or (under_way and block <= last + LONGEST_PASS_BLOCKS):
            still: dict[int, Pass] = {}
            for satellite_pass, head, tail in self._pieces(block):
                if head:
                    if satellite_pass.satellite not in under_way:
                        continue  # rose before the search
                    satellite_pass = _joined(under_way[satellite_pass.satellite], satellite_pass)
                elif block > last:
                    continue
                if tail:
                    still[satellite_pass.satellite] = satellite_pass
                else:
                    whole.append(satellite_pass)
            under_way = still
            block += 1
        whole += under_way.values()
        found = [satellite_pass for satellite_pass in whole if start_s <= satellite_pass.rise_s < end_s]
        return sorted(found, key=lambda satellite_pass: (satellite_pass.rise_s, satellite_pass.satellite))

    def stretch_before(self, satellite_pass: Pass) -> Pass | None:
        """Return the stretch of a long pass that *one*, as :meth:`between` gives it, continues; None if it rises."""
        block = satellite_pass.rise_s / BLOCK_S
        if block != int(block):
            return None
        for other in self._passes_of(int(block) - 1):
            if other.satellite == satellite_pass.satellite and other.set_s == satellite_pass.rise_s:
                return other
        return None

    def _up_throughout(self, block: int) -> set[int]:
        """Return the satellites that stay up for the whole block."""
        table = self._table(block)
        return set(table.satellite[table.rise_clipped & table.set_clipped].tolist())

    def _passes_of(self, block: int) -> list[Pass]:
        """Return the passes that touch a block, joined across its two boundaries."""
        if self._whole[0] != block:
            self._whole = block, self._joined_in(block)
        return self._whole[1]

    def _joined_in(self, block: int) -> list[Pass]:
        before = {
            satellite_pass.satellite: satellite_pass
            for satellite_pass, head, tail in self._pieces(block - 1)
            if tail and not head
        }
        after = {
            satellite_pass.satellite: satellite_pass
            for satellite_pass, head, tail in self._pieces(block + 1)
            if head and not tail
        }
        whole = []
        for satellite_pass, head, tail in self._pieces(block):
            if head and tail:
                whole.append(satellite_pass)  # up for the whole block
            elif head and satellite_pass.satellite in before:
                whole.append(_joined(before[satellite_pass.satellite], satellite_pass))
            elif tail and satellite_pass.satellite in after:
                whole.append(_joined(satellite_pass, after[satellite_pass.satellite]))
            else:
                whole.append(satellite_pass)
        return whole

    def missing(self, block: int) -> bool:
        """Return whether a block of the search has not been worked out, or was forgotten."""
        return block not in self._tables

    def keep(self, block: int, table: PassTable) -> None:
        """Take the passes of one block of the search."""
        self._tables[block] = table
        self._n_passes += len(table.satellite)
        while len(self._tables) > KEPT_BLOCKS or (
            self._n_passes > self._kept_passes and len(self._tables) > FEWEST_BLOCKS
        ):
            _, forgotten = self._tables.popitem(last=False)
            self._n_passes -= len(forgotten.satellite)

    def _table(self, block: int) -> PassTable:
        if block not in self._tables:
            start_s, end_s = block_s(block)
            self.keep(block, find_passes(self.orbits, self.site, start_s, end_s, step_s=self.step_s))
        return self._tables[block]

    def _pieces(self, block: int) -> Iterator[tuple[Pass, bool, bool]]:
        """Yield (pass, cut at the start, cut at the end) for one block of the search."""
        table = self._table(block)
        columns = (
            table.satellite.tolist(),
            table.rise_s.tolist(),
            table.culmination_s.tolist(),
            table.set_s.tolist(),
            table.max_elevation_deg.tolist(),
        )
        clipped = zip(table.rise_clipped.tolist(), table.set_clipped.tolist(), strict=True)
        for row, (head, tail) in zip(zip(*columns, strict=True), clipped, strict=True):
            yield Pass(*row), head, tail


def block_s(block: int) -> tuple[float, float]:
    """Return begin and end of a block of the search."""
    return block * BLOCK_S, (block + 1) * BLOCK_S


def search_together(books: Sequence[PassBook], start_s: float, end_s: float) -> None:
    """Work out the blocks that :meth:`PassBook.between` needs, for all *books* of one sky and search step at once."""
    for block in range(int(start_s // BLOCK_S) - 1, int(-(-end_s // BLOCK_S)) + 1):
        some = [book for book in books if book.missing(block)]
        if some:
            tables = find_passes_over_sites(
                some[0].orbits, [book.site for book in some], *block_s(block), step_s=some[0].step_s
            )
            for book, table in zip(some, tables, strict=True):
                book.keep(block, table)


def _joined(head: Pass, tail: Pass) -> Pass:
    higher = head if head.max_elevation_deg >= tail.max_elevation_deg else tail
    return Pass(head.satellite, head.rise_s, higher.culmination_s, tail.set_s, higher.max_elevation_deg)
