"""One run, from scenario to result directory: compose the parts, simulate every scheme, write what came of it.

Results appear whole or not at all (`ntnsim.results.directory`). A run that was interrupted is resumed by running it
again: schemes that had finished are kept (`ntnsim.results.checkpoint`), the others' worlds are replayed from their
seeds, and what the networks had computed is taken from the outcome store. Until then the records of the scheme under
way can be read.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from ntnsim.datasets.open_dataset import photographs_shown
from ntnsim.engine.learning_log import LoggedPolicy, tensorboard_teller
from ntnsim.errors import InputError
from ntnsim.fluid_runs import simulate_fluid
from ntnsim.images.gallery import RunGallery
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.input_digests import changed_inputs, input_digests
from ntnsim.networks.bundle import open_bundle
from ntnsim.own_digest import UNKNOWN, own_digests
from ntnsim.own_parts import OwnParts
from ntnsim.plugins import own_parts_of, part_digests
from ntnsim.protocols.policy import Policy
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.protocols.way_down import WayDown
from ntnsim.results.atomic import check_writable
from ntnsim.results.checkpoint import LEARNED, Checkpoint
from ntnsim.results.directory import check_replaceable, is_free, new_results, settle
from ntnsim.results.files import ENGINES, SHARDS
from ntnsim.results.ground_track import write_ground_track
from ntnsim.results.learning import write_learning
from ntnsim.results.provenance import (
    PICTURE_ROOMS,
    code_digest,
    digest,
    package_versions,
    provenance,
    write_provenance,
)
from ntnsim.results.read import find_runs
from ntnsim.results.record import Columns
from ntnsim.results.seal import is_whole
from ntnsim.results.summary import summarise, write_summary
from ntnsim.results.timeline import TimelineWriter
from ntnsim.results.writer import RecordWriter
from ntnsim.run_progress import Progress
from ntnsim.scenario.satellite_link import CustomLinkSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scheme_worlds import SimulatedParts, WorldMaker
from ntnsim.schemes import Assembled, SchemeAssembly
from ntnsim.sky.feeder_windows import Cut
from ntnsim.sky.ground_track import ground_track, sky_rows
from ntnsim.sky.space_segment import TerminalLink, lost_satellites, terminal_links
from ntnsim.sky.way_down import way_down
from ntnsim.uninterrupted import uninterrupted
from ntnsim.world.faults import satellite_outages, way_cuts

STORE_VARIABLE = "NTNSIM_STORE"
CHECKPOINT_S = 300.0
LONG_S = 10.0


def run_scenario(
    scenario: Scenario,
    directory: Path,
    *,
    scenario_file: str | None = None,
    overrides: Sequence[str] = (),
    command: Sequence[str] | None = None,
    progress: Progress | None = None,
    store: OutcomeStore | None = None,
    own: OwnParts | None = None,
    force: bool = False,
    checkpoint_s: float = CHECKPOINT_S,
    parts: Callable[[str, Path], SimulatedParts] | None = None,
    tensorboard: Path | None = None,
) -> dict[str, Any]:
    """Simulate every scheme of *scenario*, write the results to *directory* and return the summary.

    store: where outcomes are kept between runs; ``default_store()`` unless given.
    own: the parts that stand behind the scenario's ``kind: custom``.
    force: replace the results of an earlier run in *directory*; files that no run wrote stay.
    checkpoint_s: of this host's clock, between two times that the records so far and what a policy has learned are
        saved in case of an interruption.
    tensorboard: where to log learning for TensorBoard, a directory for each scheme; nowhere if None.
    parts: called with the run's identity and a directory for its work, gives the simulated shards; None: no shards.
    """
    own = own or OwnParts()
    check_replaceable(directory, force=force)
    check_writable(directory)
    if tensorboard is not None:
        check_writable(tensorboard)
    if progress is not None:
        progress.stage("loading networks")
    assembly = SchemeAssembly(scenario, store or default_store(), pictures_digest(), own)
    schemes = {
        scheme.name: _logged(scheme.name, assembly.assemble(scheme), tensorboard)
        for scheme in scenario.schemes
    }
    if tensorboard is not None and not any(scheme.policy.learns for scheme in schemes.values()):
        raise InputError(
            f"--tensorboard: {tensorboard}: no scheme of {scenario.name} has a policy that learns"
        )
    fluid = scenario.fidelity == "fluid"
    terminals = {} if fluid else terminal_links(scenario, satellite_outages(scenario.faults, scenario.seed))
    profiles = {} if fluid else profile_sources(scenario, terminals, own)
    way = None if fluid else way_of(scenario)
    content = provenance(
        scenario.model_dump(mode="json"),
        seed=scenario.seed,
        scenario_file=scenario_file,
        overrides=overrides,
        digests={"code": program_digest()}
        | assembly.digests()
        | part_digests(scenario)
        | own_digests(own)
        | input_digests(scenario),
        details=_details(scenario),
        command=command,
    )
    identity = digest([content["scenario_digest"], content["digests"]])
    with new_results(directory, force=force, identity=identity) as scratch:
        if fluid:
            summary = _fluid_summary(scenario, simulate_fluid(scenario, schemes, scratch, progress))
            write_summary(scratch, summary)
            write_provenance(scratch, content)
            return summary
        watch = _Watch(directory / LEARNED, progress, checkpoint_s)
        # What a user's own parts do is not known by a digest: nothing of such a run is gone on with.
        kept = Checkpoint(directory, identity, repeatable=not (own or any(own_parts_of(scenario))))
        shards = None if parts is None else parts(identity, directory / SHARDS)
        make = WorldMaker(scenario, schemes, profiles, way, shards, watch.advance)
        summary = _simulated(scenario, make, terminals, scratch, watch, kept)
        write_provenance(scratch, content)
    return summary


def _logged(name: str, assembled: Assembled, tensorboard: Path | None) -> Assembled:
    """Return the scheme with a log of its policy's learning, if that learns."""
    if not assembled.policy.learns:
        return assembled
    tell = None if tensorboard is None else tensorboard_teller(tensorboard / name)
    return replace(assembled, policy=LoggedPolicy(assembled.policy, tell))


def _fluid_summary(scenario: Scenario, schemes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": 1,
        "name": scenario.name,
        "seed": scenario.seed,
        "fidelity_of_world": "fluid",
        **_details(scenario),
        "confidence": scenario.statistics.confidence,
        "method": "expected values of a fluid world: no intervals",
        "schemes": dict(schemes),
    }


def profile_sources(
    scenario: Scenario, terminals: Mapping[str, TerminalLink], own: OwnParts
) -> Mapping[str, ProfileSource]:
    """Return what the rate profiles of every gateway come from: its terminal, or the user's channel."""
    if not isinstance(scenario.satellite_link, CustomLinkSpec):
        return terminals
    channel = own.channel(scenario.satellite_link)
    return {gateway.name: channel(gateway.name) for gateway in scenario.gateways}


def way_of(scenario: Scenario) -> WayDown | None:
    """Return the way down from satellites that queue on board; None where they do not."""
    cuts = [Cut(*cut) for cut in way_cuts(scenario.faults, scenario.seed)]
    return way_down(scenario, cuts)


def default_store() -> OutcomeStore:
    """Return the outcome store in $NTNSIM_STORE, or in the user's cache directory."""
    return OutcomeStore(place_of_outcomes())


def place_of_outcomes() -> Path | None:
    """Return where outcomes are kept between runs; None where the user wants that nowhere."""
    chosen = os.environ.get(STORE_VARIABLE)
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "ntnsim" / "outcomes"


def _simulated(
    scenario: Scenario,
    make: WorldMaker,
    terminals: Mapping[str, TerminalLink],
    directory: Path,
    watch: "_Watch",
    kept: Checkpoint,
) -> dict[str, Any]:
    gallery = RunGallery(directory, scenario.output.gallery_images)
    timeline = TimelineWriter(directory)
    with RecordWriter(directory, schema=make.schema, n_kept=kept.n_parts) as writer:
        kept.go_on(writer, timeline)
        if kept.gallery is not None:
            gallery.go_on(kept.gallery)
        for number, entity in enumerate(scenario.schemes):
            assembled = make.schemes[entity.name]
            if entity.name in kept.worlds:
                continue

            def show(scheme: str = entity.name) -> None:
                make.hand_over()
                kept.show(scheme, writer)

            watch.begin(entity.name, assembled, show)

            def write(columns: Columns, pictures: bool = assembled.pipeline is not None) -> None:
                writer.write(columns)
                if pictures:
                    gallery.see(columns)

            try:
                result = make.run(number, write, timeline.write if scenario.output.timeline_step_s else None)
            except KeyboardInterrupt:
                with uninterrupted():
                    watch.save()
                raise
            world = {
                "duration_s": result.duration_s,
                "created": result.created,
                "ends": dict(result.ends),
                "little": dict(result.little),
                "policy": dict(assembled.policy.diagnostics()),
            }
            watch.stage("drawing the gallery")
            gallery.draw(entity.name, assembled.pipeline, make.capture)
            assembled.policy.save(directory / ENGINES / entity.name)
            if isinstance(assembled.policy, LoggedPolicy):
                write_learning(directory, entity.name, assembled.policy.rows)
            if entity is scenario.schemes[-1] and not watch.is_long():
                kept.worlds[entity.name] = world  # not worth the milliseconds, in a sweep of many
            else:
                kept.keep(entity.name, world, writer, timeline, gallery.state())
    gallery.close()
    watch.stage("summing up")
    longest_s = max(world["duration_s"] for world in kept.worlds.values())
    if scenario.output.timeline_step_s is not None:
        timeline.write_passes(sky_rows(terminals, longest_s))
    timeline.close()
    services = () if make.parts is None else make.parts.services
    if (track := ground_track(terminals, longest_s, services)) is not None:
        write_ground_track(directory, track)
    [run] = find_runs([directory])
    summary = summarise(
        run,
        warm_up_s=scenario.statistics.warm_up_s,
        confidence=scenario.statistics.confidence,
        details={
            "name": scenario.name,
            "seed": scenario.seed,
            **_details(scenario),
            "worlds": kept.worlds,
            "pictures": photographs_shown(scenario.datasets),
            **lost_satellites(terminals, longest_s),
        },
    )
    write_summary(directory, summary)
    return summary


def _details(scenario: Scenario) -> dict[str, Any]:
    """Return the facts without which figures mean nothing."""
    return {
        "deadline_s": scenario.requirement.deadline_s,
        "bundle": scenario.task.bundle.written,
        "pf_backend": scenario.task.pf_backend,
        "sf_backend": scenario.task.sf_backend,
        "savings_against": "the file as captured",
        "thresholds": scenario.radio.adaptation.thresholds,
    }


def program_digest() -> str:
    """Name this version of ntnsim and of the libraries that compute with it."""
    return digest({"code": code_digest(), "packages": package_versions()})


def pictures_digest() -> str:
    """Name the part of this program, and the libraries, that the outcomes of images depend on: the store's version."""
    return digest({"code": code_digest(PICTURE_ROOMS), "packages": package_versions()})


def is_finished(directory: Path, scenario: Scenario, own: OwnParts | None = None) -> bool:
    """Return whether *directory* holds complete results of this very *scenario*, as ``--resume`` asks.

    False where there are none, or where they are damaged. Raises InputError where they are another scenario's, or were
    made by another program or other networks: to replace them must be asked for.
    """
    settle(directory)
    if is_free(directory):
        return False
    check_replaceable(directory, force=True)
    [run] = find_runs([directory])
    found = run.provenance()
    digests = found.get("digests", {})
    bundle = digests.get("bundle")  # absent where no scheme needs one
    differs = {
        "another scenario or seed": found.get("scenario_digest") != digest(scenario.model_dump(mode="json")),
        "another version of ntnsim": found.get("code_digest") != code_digest(),
        "another model bundle": bundle is not None
        and open_bundle(scenario.task.bundle.name_or_location).digest != bundle,
        "another version of your own parts": _own_parts_differ(
            part_digests(scenario) | own_digests(own or OwnParts()), digests
        ),
    }
    other = [name for name, true in differs.items() if true]
    if not differs["another scenario or seed"]:  # whose files would be others
        other += [f"another {name}" for name in changed_inputs(input_digests(scenario), digests)]
    if other:
        raise InputError(
            f"{directory}: holds results of {' and '.join(other)}; --force replaces them, or choose another --out"
        )
    return is_whole(directory)


def _own_parts_differ(own: Mapping[str, str], found: Mapping[str, str]) -> bool:
    before = {name: value for name, value in found.items() if name.startswith(("class ", "own "))}
    return own != before or UNKNOWN in own.values()


class _Watch:
    """Hands on how far a run is, and saves what can be saved of it every *checkpoint_s* of this host's clock.

    learned: the directory for what a policy has learned.
    """

    def __init__(self, learned: Path, progress: Progress | None, checkpoint_s: float) -> None:
        self._learned = learned
        self._progress = progress
        self._checkpoint_s = checkpoint_s
        self._scheme = ""
        self._policy: Policy | None = None
        self._show: Callable[[], None] = lambda: None
        self._begun_at = self._save_at = 0.0

    def begin(self, scheme: str, assembled: Assembled, show: Callable[[], None]) -> None:
        """Watch *scheme* from now on. show: lets its records so far be read."""
        self._scheme, self._policy, self._show = scheme, assembled.policy, show
        self._begun_at = monotonic()
        self._save_at = self._begun_at + self._checkpoint_s
        self.stage("")
        if self._progress is not None and assembled.pipeline is not None:
            assembled.pipeline.watch(self._progress.stage)

    def is_long(self) -> bool:
        """Return whether the scheme took so long that nobody wants to wait for it again."""
        return monotonic() - self._begun_at > LONG_S

    def stage(self, what: str) -> None:
        """Say what is being done."""
        if self._progress is not None:
            self._progress.stage(what)

    def advance(self, ended: int, time_s: float) -> None:
        """Say how far the scheme is; called between two events of its world."""
        if self._progress is not None:
            self._progress.advance(self._scheme, ended, time_s)
        if ended and monotonic() >= self._save_at:
            self.save()
            self._save_at = monotonic() + self._checkpoint_s

    def save(self) -> None:
        """Save the records so far, and what the policy has learned from their images."""
        self._show()
        if self._policy is not None and self._policy.learns:
            self._policy.save(self._learned / self._scheme)
