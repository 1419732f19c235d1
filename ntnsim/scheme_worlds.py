"""The world of each scheme of a run: the whole, or what remains of it when shards of it were simulated apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntnsim.engine.build import changes_from, requirement_from
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.protocols.way_down import WayDown
from ntnsim.results.part_rows import read_part_rows, rows_with_ends, values_of
from ntnsim.results.record import Columns, arrow_schema, record_columns
from ntnsim.scenario.scenario import Scenario
from ntnsim.schemes import Assembled, score_columns
from ntnsim.world.downstream import COLUMNS_READ, Downstream, Uplinks
from ntnsim.world.world import World, WorldResult, image_numbers, placed_sources


@dataclass(frozen=True)
class SimulatedParts:
    """Shards of a run that were simulated until the data network had their images.

    directories: one each, with a `part_rows_of` each scheme. stop_s: when the whole run ends at the latest.
    services: of each, as `sky.ground_track.services_of_part` gives them.
    """

    directories: Sequence[Path]
    stop_s: float
    services: Sequence[Mapping[str, Any]]


class WorldMaker:
    """Makes and runs them.

    parts: the simulated shards, if the run has some. schema: of the records. progress: as `World` takes it.
    """

    def __init__(
        self,
        scenario: Scenario,
        schemes: Mapping[str, Assembled],
        profiles: Mapping[str, ProfileSource],
        way: WayDown | None,
        parts: SimulatedParts | None,
        progress: Callable[[int, float], None],
    ) -> None:
        self.schemes = schemes
        self.parts = parts
        self._scenario, self._profiles, self._way, self._progress = scenario, profiles, way, progress
        self._world: World | None = None
        self._n_ranks, self._score_names = score_columns(schemes.values())
        self.schema = arrow_schema(record_columns(self._n_ranks, self._score_names))

    def run(
        self, number: int, write: Callable[[Columns], None], write_timeline: Callable[[Columns], None] | None
    ) -> WorldResult:
        """Run the world of the scheme at place *number*."""
        if self.parts is not None:
            return self._rest(number, self.parts, write)
        scenario, entity = self._scenario, self._scenario.schemes[number]
        assembled = self.schemes[entity.name]
        self._world = World(
            scenario,
            entity.name,
            assembled.imaging,
            assembled.policy,
            requirement_from(entity.requirement or scenario.requirement),
            write,
            changes=changes_from(entity.requirement or scenario.requirement),
            profile_sources=self._profiles,
            way=self._way,
            n_ranks=self._n_ranks,
            score_names=self._score_names,
            write_timeline=write_timeline,
            progress=self._progress,
        )
        return self._world.run()

    def hand_over(self) -> None:
        """Let the world that runs write the records that wait for their batch."""
        if self._world is not None:
            self._world.hand_over()

    def capture(self, pipeline: ImagePipeline, source: str, index: int) -> None:
        """Let *pipeline* capture an image that a shard captured."""
        if self.parts is not None:
            [entity] = [entity for name, entity, _ in placed_sources(self._scenario) if name == source]
            numbers = image_numbers(entity.arrivals)
            pipeline.capture(source, index if numbers is None else numbers[index])

    def _rest(self, number: int, parts: SimulatedParts, write: Callable[[Columns], None]) -> WorldResult:
        scheme = self._scenario.schemes[number].name
        pictures = self.schemes[scheme].pipeline is not None
        table, part = read_part_rows([place / part_rows_of(number) for place in parts.directories])
        reconstructs = bool(self.schemes[scheme].imaging.work.reconstruction)
        uplinks = Uplinks(part, values_of(table, COLUMNS_READ), reconstructs)
        ends = Downstream(self._scenario, scheme, uplinks, parts.stop_s, self._progress).run()
        for columns in rows_with_ends(
            table, self.schema, ends.order, ends.columns, ends.reconstructed, self._score_names
        ):
            # A gallery looks for values row by row.
            write({name: values.to_pylist() for name, values in columns.items()} if pictures else columns)
        return ends.world


def part_rows_of(number: int) -> str:
    """Return what a shard's file of the scheme at place *number* is called."""
    return f"{number}.arrow"
