"""One terminal's rate profiles, window by window, and the passes and handovers behind them.

Nothing here simulates: a profile is a pure function of scenario, site, seed and time. Each satellite pass draws its
channel from a stream of its own name, and serving satellites are worked out in blocks of absolute time, so the values
do not depend on how the caller cuts its windows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import FloatArray
from ntnsim.link.channel import ChannelState
from ntnsim.link.goodput import OUTER_LOOP_INTERVAL_S, steady_efficiency
from ntnsim.link.pass_link import PassLink, link_along_pass, terms_table
from ntnsim.orbit.ground import OnBoard, SiteIsTheEnd
from ntnsim.orbit.pass_book import BLOCK_S, KEPT_PASSES, Pass, PassBook
from ntnsim.orbit.serving import HandoverRule, Serving
from ntnsim.orbit.serving_plan import (
    KEPT_STRETCHES,
    Outage,
    Score,
    ServingPlan,
    score_elevation,
    score_remaining_time,
    score_shortest_delay,
)
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.scenario.payload import RegenerativePayloadSpec
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.kept_passes import KeptPasses, OwnPasses, PassSteps, steps_of
from ntnsim.sky.pass_geometry import Piece, pass_geometry
from ntnsim.sky.pauses import feeder_flow, takeover_pause_s
from ntnsim.sky.radio_link import link_model, spells_over
from ntnsim.sky.sinr_score import SinrScore
from ntnsim.sky.site_losses import SiteLosses
from ntnsim.sky.space_model import SiteLike, SpaceModel
from ntnsim.streams import stream

LOOK_AHEAD_S = 3600.0  # no end of contact is given further ahead than this
NEXT_CONTACT_WITHIN_S = 48 * 3600.0
PASSES_OF_ALL = 1_000_000  # that all terminals of a run remember together: 42 MB
STRETCHES_OF_ALL = 500_000  # 250 MB
KEPT_ENDS = 2  # of a satellite's stretches, that the next one goes on from
LONGEST_ROUND_TRIP_S = 1.0  # between terminal and scheduler, as a rule: over a geostationary satellite 0.6 s


class TerminalLink:
    """One terminal's rate profiles, and the passes and handovers behind them.

    kept: passes of random channels, shared with the run's other terminals.
    terminals: how many the run has: of many, each remembers less, so that memory does not grow with them for ever.
    """

    def __init__(
        self,
        model: SpaceModel,
        radio: RadioSpec,
        gateway: SiteLike,
        seed: int,
        outage: Outage | None = None,
        kept: KeptPasses | None = None,
        terminals: int = 1,
    ) -> None:
        if getattr(gateway, "on_satellite", False):
            # Born on board, received at the site: its downlink is the whole way.
            model = replace(model, reach=SiteIsTheEnd(), space=_without_feeder(model.space))
            radio = radio.model_copy(update={"direction": "dl"})
        elif model.space.carries:
            keeps = model.space.payload.kind == "regenerative" and model.space.payload.store_and_forward
            model = replace(model, reach=OnBoard(model.reach, keeps))
        self.model = model
        self.radio = radio
        self.site = model.site(gateway)
        self.link = link_model(model, radio, self.site.latitude_deg, self.site.longitude_deg)
        self.book = PassBook(
            model.orbits,
            self.site,
            step_s=model.space.search_step_s,
            kept_passes=min(KEPT_PASSES, PASSES_OF_ALL // terminals),
        )
        self._seed = seed
        self._pass_steps = OwnPasses(KeptPasses() if kept is None else kept, self.pass_link)
        self._channel_ends: dict[int, dict[float, ChannelState | None]] = {}  # by satellite, and when
        self._losses = SiteLosses(radio.channel, self.link.carrier_hz, self.site, seed)
        self._spells = spells_over(radio.channel, self.link.carrier_hz, self.site, seed)
        rules = model.space.handover
        policy = model.space.handover_policy
        scores: dict[str, tuple[Score, float]] = {
            "max_elevation": (score_elevation, rules.hysteresis_deg),
            "longest_remaining": (score_remaining_time, 0.0),
            "best_sinr": (SinrScore(self._pass_steps, rules.decision_interval_s), rules.hysteresis_db),
            "shortest_delay": (score_shortest_delay(model.reach), rules.hysteresis_s),
        }
        score, hysteresis = scores[policy]
        self.plan = ServingPlan(
            self.book,
            model.reach,
            HandoverRule(hysteresis, rules.min_dwell_s, keep_until_lost=policy == "longest_remaining"),
            score,
            decision_interval_s=rules.decision_interval_s,
            outage=outage,
            kept_stretches=min(KEPT_STRETCHES, STRETCHES_OF_ALL // terminals),
        )

    @property
    def window_s(self) -> float:
        """How long each window is."""
        step_s = self.radio.profile.step_s
        return round(self.radio.profile.window_s / step_s) * step_s

    def efficiency_at(self, sinr_db: FloatArray) -> FloatArray:
        """Return delivered bits per resource element [n] at steady SINRs [n]: what a loss of some decibels leaves."""
        return steady_efficiency(sinr_db, self.link.goodput)

    def __call__(self, start_s: float) -> RateProfile:
        """Return the profile of the window that begins at the grid step holding *start_s*."""
        step_s = self.radio.profile.step_s
        first = int(np.floor(start_s / step_s + 1e-9))
        count = round(self.radio.profile.window_s / step_s)
        begin_s, end_s = first * step_s, (first + count) * step_s
        stretches = self.plan.between(begin_s, end_s)
        if not stretches:
            return self._without_contact(begin_s, end_s, first, count)
        served = []
        for stretch in stretches:
            begin, end = self._steps_of(stretch.satellite_pass)
            low = max(int(np.floor(stretch.start_s / step_s + 1e-9)), first, begin)
            high = min(int(np.ceil(stretch.end_s / step_s - 1e-9)), first + count, end)
            if high > low:
                served.append((stretch, Piece(stretch.satellite_pass, low, high)))
        rate_bps = np.zeros(count)
        columns = {name: np.full(count, np.nan) for name in ("propagation", "elevation", "sinr")}
        satellite_index = np.full(count, -1, dtype=np.int32)
        names = self._fill(served, first, rate_bps, columns, satellite_index)
        contact_end_s, next_contact_s = self._contacts(
            begin_s, end_s, first + np.arange(count), satellite_index >= 0
        )
        return RateProfile(
            start_s=begin_s,
            step_s=step_s,
            rate_bps=rate_bps,
            propagation_s=columns["propagation"],
            satellite_index=satellite_index,
            contact_end_s=contact_end_s,
            next_contact_s=next_contact_s,
            elevation_deg=columns["elevation"],
            sinr_db=columns["sinr"],
            satellites=tuple(names),
        )

    def _without_contact(self, begin_s: float, end_s: float, first: int, count: int) -> RateProfile:
        """Return a window in which nobody serves; its columns take no memory, as gaps may be long."""
        _, [next_contact_s] = self._contacts(begin_s, end_s, np.array([first]), np.zeros(1, dtype=np.bool_))
        nothing = np.broadcast_to(np.nan, count)
        return RateProfile(
            start_s=begin_s,
            step_s=self.radio.profile.step_s,
            rate_bps=np.broadcast_to(0.0, count),
            propagation_s=nothing,
            satellite_index=np.broadcast_to(np.int32(-1), count),
            contact_end_s=nothing,
            next_contact_s=np.broadcast_to(next_contact_s, count),
            elevation_deg=nothing,
            sinr_db=nothing,
            satellites=(),
        )

    def timeline(self, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """Return passes and handovers in [start_s, end_s) as rows: kind, time_s, satellite and more."""
        names = self.model.orbits.names
        rows: list[dict[str, Any]] = []
        for satellite_pass in self.book.rising_between(start_s, end_s):
            rows.append(
                {
                    "kind": "pass",
                    "terminal": self.site.name,
                    "time_s": satellite_pass.rise_s,
                    "end_s": satellite_pass.set_s,
                    "satellite": names[satellite_pass.satellite],
                    "max_elevation_deg": satellite_pass.max_elevation_deg,
                }
            )
        for stretch in self.services(start_s, end_s):
            rows.append(
                {
                    "kind": stretch.reason,
                    "terminal": self.site.name,
                    "time_s": stretch.start_s,
                    "end_s": stretch.start_s + self._pause_s(stretch),
                    "satellite": names[stretch.satellite_pass.satellite],
                    "max_elevation_deg": stretch.satellite_pass.max_elevation_deg,
                }
            )
        return sorted(rows, key=lambda row: (row["time_s"], row["kind"]))

    def services(self, start_s: float, end_s: float) -> list[Serving]:
        """Return the stretches in which a satellite serves that begin in [start_s, end_s)."""
        return [
            stretch
            for stretch in self.plan.between(start_s, end_s)
            if stretch.start_s >= start_s and stretch.begins
        ]

    def pass_link(self, satellite_pass: Pass) -> PassLink:
        """Return the link along a pass, on the scenario's grid.

        A satellite that stays up for hours serves in stretches; the channel goes on from one to the next.
        """
        name = self.model.orbits.names[satellite_pass.satellite]
        # The culmination tells passes of one satellite apart; to the second, it is the same on every host.
        rng = stream(self._seed, "space", self.site.name, name, f"{satellite_pass.culmination_s:.0f}")
        whole = Piece(satellite_pass, *self._steps_of(satellite_pass))
        geometry = pass_geometry(self.model, self.link, self.site, [whole], self.radio.profile.step_s)
        link = link_along_pass(
            geometry,
            self.link,
            rng,
            extra_loss_db=self._losses.at_db(geometry),
            strong_scintillation_db=self._spells.more_db(geometry.middle_s) if self._spells else 0.0,
            before=self._channel_before(satellite_pass),
        )
        if satellite_pass.set_s % BLOCK_S == 0:  # cut there, so that another stretch may go on
            ends = self._channel_ends.setdefault(satellite_pass.satellite, {})
            ends[satellite_pass.set_s] = link.end
            if len(ends) > KEPT_ENDS:
                del ends[next(iter(ends))]
        return link

    def whole_pass_terms(self, satellite_pass: Pass) -> dict[str, FloatArray]:
        """Return the middle of each grid step along a pass from rise to set [n] and every term of its link there."""
        stretches = [
            own
            for own in self.book.between(satellite_pass.rise_s, satellite_pass.set_s)
            if own.satellite == satellite_pass.satellite
        ]
        columns = []
        for stretch in stretches:
            link = self.pass_link(stretch)
            geometry = link.geometry
            columns.append({"time_s": geometry.middle_s, **terms_table(link)})
        return {name: np.concatenate([terms[name] for terms in columns]) for name in columns[0]}

    def _channel_before(self, satellite_pass: Pass) -> ChannelState | None:
        """Return the channel's state that the stretch before *one* ends with; None where *one* rises or time begins."""
        if self.link.channel is None or satellite_pass.rise_s <= 0:
            return None
        missing = []
        before = self.book.stretch_before(satellite_pass)
        ends = self._channel_ends.get(satellite_pass.satellite, {})
        while before is not None and before.set_s not in ends:
            missing.append(before)
            before = self.book.stretch_before(before) if before.rise_s > 0 else None
        for stretch in reversed(missing):
            self.pass_link(stretch)
        return self._channel_ends.get(satellite_pass.satellite, {}).get(satellite_pass.rise_s)

    def _steps_of(self, satellite_pass: Pass) -> tuple[int, int]:
        """Return the numbers of a pass's first step on the scenario's grid and of the step after its last."""
        step_s = self.radio.profile.step_s
        first = int(np.floor(satellite_pass.rise_s / step_s))
        return first, max(int(np.ceil(satellite_pass.set_s / step_s)), first + 1)

    def _links(self, served: Sequence[Piece]) -> list[tuple[PassSteps, int]]:
        """Return for each piece of a pass a link that holds its steps as the whole pass's has them, and from where on.

        Random channels walk from rise to set, so that whole passes are worked out, and kept. Without them a step
        depends on its interval of the outer loop and on how long the channel's report takes, and on nothing before:
        all pieces are worked out together.
        """
        if self.link.channel is not None:
            links = [self._pass_steps(piece.satellite_pass, piece.first) for piece in served]
            return [(link, piece.first - link.first_step) for link, piece in zip(links, served, strict=True)]
        step_s = self.radio.profile.step_s
        interval = max(1, round(OUTER_LOOP_INTERVAL_S / step_s))
        report_s = self.link.goodput.csi_delay_s
        back_s = LONGEST_ROUND_TRIP_S if report_s is None else report_s
        while True:
            back = int(np.ceil(back_s / step_s)) + 1
            pieces = []
            for piece in served:
                begin, end = self._steps_of(piece.satellite_pass)
                first = max((piece.first - back) // interval * interval, begin)
                last = min(
                    (piece.end // interval + 2) * interval, end
                )  # directions of motion look a step ahead
                pieces.append(Piece(piece.satellite_pass, first, last))
            geometry = pass_geometry(self.model, self.link, self.site, pieces, step_s)
            longest_s = float(np.nanmax(geometry.round_trip_s, initial=0.0))
            if report_s is not None or longest_s <= back_s:
                break
            back_s = longest_s
        link = steps_of(
            link_along_pass(geometry, self.link, None, extra_loss_db=self._losses.at_db(geometry))
        )
        begins = np.cumsum([0, *(piece.end - piece.first for piece in pieces[:-1])])
        return [
            (link, int(begin) + own.first - piece.first)
            for begin, own, piece in zip(begins, served, pieces, strict=True)
        ]

    def _pause_s(self, stretch: Serving) -> float:
        """Return for how long no data flow after the satellite of a stretch began to serve."""
        return takeover_pause_s(self.model, self.site, stretch, self.radio.direction)

    def _fill(
        self,
        served: Sequence[tuple[Serving, Piece]],
        first: int,
        rate_bps: FloatArray,
        columns: dict[str, FloatArray],
        satellite_index: npt.NDArray[np.int32],
    ) -> list[str]:
        """Write serving stretches, each with its steps, into a window's columns; return the satellites' names."""
        step_s = self.radio.profile.step_s
        names: list[str] = []
        links = self._links([piece for _, piece in served]) if served else []
        for (stretch, piece), (link, offset) in zip(served, links, strict=True):
            window = slice(piece.first - first, piece.end - first)
            own = slice(offset, offset + piece.end - piece.first)
            flow_from_s = stretch.since_s + self._pause_s(stretch)
            edges_s = np.arange(piece.first, piece.end + 1) * step_s
            inside = np.clip(
                np.minimum(edges_s[1:], stretch.end_s) - np.maximum(edges_s[:-1], flow_from_s), 0.0, None
            )
            inside = inside * feeder_flow(
                self.model,
                piece.satellite_pass.satellite,
                (piece.first, piece.end),
                step_s,
                link.round_trip_s[own],
                self.radio.direction,
            )
            connected = ~np.isnan(link.propagation_s[own])
            rate_bps[window] += np.where(connected, link.rate_bps[own] * (inside / step_s), 0.0)
            columns["propagation"][window] = link.propagation_s[own]
            columns["elevation"][window] = np.where(connected, link.elevation_deg[own], np.nan)
            columns["sinr"][window] = np.where(connected, link.sinr_db[own], np.nan)
            name = self.model.orbits.names[stretch.satellite_pass.satellite]
            if name not in names:
                names.append(name)
            satellite_index[window] = np.where(connected, names.index(name), -1)
        if self.link.channel is not None:
            used = zip(
                (piece.satellite_pass for _, piece in served), (link for link, _ in links), strict=True
            )
            self._pass_steps.keep_left(used, first + len(rate_bps))
        return names

    def _contacts(
        self, begin_s: float, end_s: float, steps: npt.NDArray[np.int64], connected: npt.NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Return contact_end_s [n] where *connected* [n], and next_contact_s [n] elsewhere, of the window's steps."""
        stretches: list[Serving] = []
        horizon_s = end_s + LOOK_AHEAD_S
        known_to_s = begin_s
        # In a gap that outlasts the look-ahead, keep looking: store-and-forward wants to know when it ends.
        while known_to_s < horizon_s:
            until_s = min(known_to_s + LOOK_AHEAD_S, horizon_s)
            stretches += self.plan.between(known_to_s, until_s)
            known_to_s = until_s
            ends_open = not stretches or stretches[-1].end_s < end_s
            if known_to_s >= horizon_s and ends_open and known_to_s - end_s < NEXT_CONTACT_WITHIN_S:
                horizon_s += LOOK_AHEAD_S
        step_s = self.radio.profile.step_s
        starts_s = np.array([satellite_pass.start_s for satellite_pass in stretches] + [np.inf])
        contact_ends_s = np.array([satellite_pass.end_s for satellite_pass in stretches] + [np.inf])
        for index in range(len(stretches) - 2, -1, -1):  # a stretch that the next one follows on ends with it
            if starts_s[index + 1] <= contact_ends_s[index] + 1e-6:
                contact_ends_s[index] = contact_ends_s[index + 1]
        # The last stretch that begins within or before each step, and the first that begins after its middle.
        current = np.maximum(np.searchsorted(starts_s, (steps + 1) * step_s - 1e-9) - 1, 0)
        middle_s = (steps + 0.5) * step_s
        following = starts_s[np.searchsorted(starts_s, middle_s, side="right").clip(max=len(stretches))]
        # Clipped per step, so that the value does not depend on where this window ends.
        ahead_s = np.minimum(contact_ends_s[current], middle_s + LOOK_AHEAD_S)
        if connected.all():  # a column of no values takes no memory
            return ahead_s, np.broadcast_to(np.nan, len(steps))
        return np.where(connected, ahead_s, np.nan), np.where(connected, np.nan, following)


def _without_feeder(space: SpaceSegmentSpec) -> SpaceSegmentSpec:
    return space.model_copy(update={"payload": RegenerativePayloadSpec(), "ground_stations": ()})
