"""Run a scenario, and look at what came of it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from html import escape
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ntnsim.errors import InputError
from ntnsim.given import kind_of, number_given, parts_given, path_given, whole_number_given
from ntnsim.own_parts import ChannelMaker, OwnParts, PolicyMaker
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.policy import Policy
from ntnsim.results.directory import is_free
from ntnsim.results.read import RunDirectory, find_runs, load
from ntnsim.run_progress import Progress, ProgressCall, RunStatus, status_shown
from ntnsim.runs import CHECKPOINT_S, is_finished, run_scenario
from ntnsim.scenario.load import scenario_given
from ntnsim.scenario.scenario import Scenario
from ntnsim.sweeps.drive import Executor
from ntnsim.sweeps.executor import LOCAL, executor_named
from ntnsim.sweeps.shards import run_shards, simulate_shard

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ntnsim.images.outcome_store import OutcomeStore

_NONE: Mapping[str, Any] = MappingProxyType({})


class Run:
    """A finished run: its records, its summary, its figures.

    directory: where the results lie; a temporary one, gone with this object, if the run was given no ``out``.
    scenario: what was simulated. A notebook shows the table of the schemes' figures.

    >>> import ntnsim
    >>> drawn = "schemes=[{name: drawn, codec: {kind: sizes, size_bits: 8.0e+5}}]"
    >>> run = ntnsim.run("scenarios/quickstart.yaml", overrides=[drawn, "horizon.n_jobs=3"])
    >>> run
    <Run 'quickstart': 6 records, drawn>
    >>> run.summary["schemes"]["drawn"]["jobs"], bool((run.records["delay_s"] > 0).all())
    (6, True)
    >>> axes = run.plot("delay_cdf").axes
    """

    def __init__(
        self, scenario: Scenario, directory: Path, temporary: "tempfile.TemporaryDirectory[str] | None" = None
    ) -> None:
        self.scenario = scenario
        self.directory = directory
        self._temporary = temporary

    @cached_property
    def records(self) -> "pd.DataFrame":
        """One row per image and scheme; ``docs/columns.md`` and ``ntnsim.columns()`` say what each column holds."""
        return load(self.directory)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The figures of every scheme, with confidence intervals: what ``summary.json`` holds."""
        return self._directory.summary()

    @property
    def _directory(self) -> RunDirectory:
        [run] = find_runs([self.directory])
        return run

    def plot(self, figure: str = "delay_cdf") -> "Figure":
        """Return a figure of this run as a matplotlib Figure, which a notebook shows.

        figure: ``delay_cdf``, ``savings_cdf``, ``delay_breakdown``, ``pareto``, ``timeline``, ``gallery``,
            ``learning`` or ``map``.

        Raises InputError where the run holds no data for it.
        """
        from ntnsim.report.figures import figure_of

        return figure_of([self._directory], figure)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the run as one self-contained HTML page, and return where.

        path: ``report.html`` in the result directory unless given; a run without ``out`` needs one.
        """
        from ntnsim.report.page import write_page

        if path is None:
            if self._temporary is not None:
                raise InputError("report: the run was given no out directory; say where the page goes")
            path = self.directory / "report.html"
        page = path_given("path", path)
        write_page([self._directory], page)
        return page

    def __str__(self) -> str:
        from ntnsim.results.show import summary_table

        return summary_table(self.summary)

    def __repr__(self) -> str:
        return (
            f"<Run {self.scenario.name!r}: {len(self.records)} records, {', '.join(self.summary['schemes'])}>"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def run(
    scenario: Scenario | Path | str,
    out: Path | str | None = None,
    *,
    policies: Mapping[str, Policy | PolicyMaker] = _NONE,
    codecs: Mapping[str, Codec] = _NONE,
    channels: Mapping[str, ChannelMaker] = _NONE,
    progress: Callable[[str, int, float], None] | bool | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
    checkpoint_s: float = CHECKPOINT_S,
    store: "OutcomeStore | Path | str | None" = None,
    command: Sequence[str] | None = None,
    shards: int = 1,
    executor: str = "local",
    tensorboard: Path | str | None = None,
) -> Run:
    """Simulate every scheme of a scenario.

    scenario: a `Scenario`, or the path of a YAML file.
    out: where the results go; without it nothing is kept on disk once the `Run` is gone.
    policies, codecs, channels: parts of your own, by the names under which the scenario asks for them
        (``policy: {kind: custom, name: …}`` and so on). A policy is an object with ``choose``, or what makes one for a
        configuration space and a seed; a channel gives a gateway's name the source of its rate profiles.
    progress: called with a scheme's name, the images that ended and the simulated seconds, up to five times a second;
        True tells on stderr what the run is doing.
    overrides: texts such as ``"sources[0].arrivals.rate_per_s=2"``, as ``--set`` takes them.
    resume: if *out* already holds the complete results of this very scenario, they are returned as they are; damaged
        ones are made again.
    force: results of an earlier run in *out* are replaced, whichever scenario's they are; files that no run wrote stay.
    checkpoint_s: time on this host's clock between two times that the records so far and learning policies are saved
        into *out*, in case the run is interrupted. Running it again goes on after the last scheme that had finished.
    store: directory where outcomes of the networks are kept between runs; the user's cache directory unless given.
    command: what the provenance names as the command.
    shards: into how many parts the gateways are dealt, which run at the same time until the data network has their
        images; the results are those of one, to the byte. Only for gateways that nothing behind them acts on.
    executor: where shards run: ``local``, ``dask``, or the address of a Dask scheduler.
    tensorboard: directory for TensorBoard's logs of what policies learn, one in it per scheme (extra ``tensorboard``).

    Raises InputError for whatever the caller can mend: a scenario that is not valid, a file that is missing.

    >>> import ntnsim
    >>> world = {"sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
    ...          "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    ...          "horizon": {"n_jobs": 3}, "name": "three",
    ...          "schemes": [{"name": "drawn", "codec": {"kind": "sizes",
    ...                       "size_bits": {"kind": "exponential", "mean": 8e5}}}]}
    >>> len(ntnsim.run(ntnsim.Scenario(**world)).records)
    3
    """
    scenario_file = None if isinstance(scenario, Scenario) else str(scenario)
    scenario = scenario_given(scenario, overrides)
    own = OwnParts(
        parts_given("policies", policies), parts_given("codecs", codecs), parts_given("channels", channels)
    )
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(f"progress: must be a function, True or False, got {kind_of(progress)}")
    checkpoint_s = number_given("checkpoint_s", checkpoint_s, 0)
    shards = whole_number_given("shards", shards, 1)
    if shards > 1 and (own or store is not None):
        raise InputError("shards: cannot be given parts of your own or a store; leave them out, or take 1")
    if shards == 1 and executor != LOCAL:
        raise InputError(f"--executor {executor}: where shards run; a run without --shards runs here")
    executor_named(executor, Path(), simulate_shard, shards)  # complains before anything is computed
    temporary = tempfile.TemporaryDirectory(prefix="ntnsim-") if out is None else None
    directory = path_given("out", out) if temporary is None else Path(temporary.name) / "run"
    if resume and is_finished(directory, scenario, own):
        return Run(scenario, directory)
    # Results of this very scenario, or is_finished had refused them.
    damaged = resume and not is_free(directory)
    with _shown(scenario, progress) as report_progress:
        parts = None
        if shards > 1:
            tell = (lambda what: None) if report_progress is None else report_progress.stage
            parts = run_shards(scenario, shards, partial(_shard_executor, executor), tell)
        run_scenario(
            scenario,
            directory,
            scenario_file=scenario_file,
            overrides=overrides,
            command=command,
            progress=report_progress,
            store=_store_given(store),
            own=own,
            force=force or damaged,
            checkpoint_s=checkpoint_s,
            tensorboard=None if tensorboard is None else path_given("tensorboard", tensorboard),
            parts=parts,
        )
    return Run(scenario, directory, temporary)


def _store_given(store: "OutcomeStore | Path | str | None") -> "OutcomeStore | None":
    from ntnsim.images.outcome_store import OutcomeStore

    return OutcomeStore(Path(store)) if isinstance(store, str | PathLike) else store


def _shard_executor(name: str, directory: Path, n_shards: int) -> Executor:
    return executor_named(name, directory, simulate_shard, n_shards)()


@contextmanager
def _shown(
    scenario: Scenario, progress: Callable[[str, int, float], None] | bool | None
) -> Iterator[Progress | None]:
    """Yield what the run reports to."""
    if progress is True:
        status = RunStatus(scenario)
        with status_shown(status.line):
            yield status
    else:
        yield ProgressCall(progress) if callable(progress) else None
