"""Where satellites stand along passes, step by step, and how far their way down is: what the link of a pass needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.pass_link import LinkModel, PassGeometry
from ntnsim.orbit.earth import Site, earth_model
from ntnsim.orbit.geometry import lengths, look, satellite_view_uv
from ntnsim.orbit.pass_book import Pass
from ntnsim.sky.space_model import SpaceModel
from ntnsim.units import SPEED_OF_LIGHT_M_S


@dataclass(frozen=True, slots=True)
class Piece:
    """The steps [first, end) of a pass, by their numbers on the scenario's grid."""

    satellite_pass: Pass
    first: int
    end: int


def pass_geometry(
    model: SpaceModel, link: LinkModel, site: Site, pieces: Sequence[Piece], step_s: float
) -> PassGeometry:
    """Return the geometry of *pieces* of passes over *site*, one after the other, in the middles of their steps."""
    counts = np.array([piece.end - piece.first for piece in pieces])
    middle_s = np.concatenate([_middle_s(model, piece, step_s) for piece in pieces])
    satellite = np.repeat([piece.satellite_pass.satellite for piece in pieces], counts)
    positions_m = model.orbits.positions_of_m(satellite, middle_s)
    spots = site.at(middle_s)
    sine, range_m = look(spots, positions_m)
    begins = np.cumsum(counts) - counts
    slices = [slice(begin, begin + count) for begin, count in zip(begins, counts, strict=True)]
    ways = [
        model.reach.path(piece.satellite_pass.satellite, middle_s[own])
        for piece, own in zip(pieces, slices, strict=True)
    ]
    ground_s = np.concatenate([way.delay_s for way in ways])
    service_s = range_m / SPEED_OF_LIGHT_M_S
    payload = model.space.payload
    transparent = payload.kind == "transparent"
    processing_s = payload.processing_s if payload.kind == "regenerative" else 0.0
    uv, limb_uv = None, None
    if link.interference_load > 0:
        limb_uv = earth_model(model.space.earth).equatorial_radius_m / lengths(positions_m)
    if link.beams == "satellite_fixed" or link.scan_exponent > 0 or limb_uv is not None:
        uv = np.concatenate([satellite_view_uv(site.at(middle_s[own]), positions_m[own]) for own in slices])
    direction = None
    if link.channel is not None:
        direction = (positions_m - spots.position_m) / range_m[:, np.newaxis]
    first = np.array([piece.first for piece in pieces])
    return PassGeometry(
        first_step=pieces[0].first,
        step_s=step_s,
        elevation_deg=np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))),
        range_m=range_m,
        round_trip_s=2 * (service_s + ground_s) if transparent else 2 * service_s,
        propagation_s=service_s + processing_s + ground_s,
        ground_range_m=np.concatenate([way.range_m for way in ways]),
        ground_elevation_deg=np.concatenate([way.elevation_deg for way in ways]),
        beam_uv=uv,
        limb_uv=limb_uv,
        direction=direction,
        pieces=(begins, first) if len(pieces) > 1 else None,
    )


def _middle_s(model: SpaceModel, piece: Piece, step_s: float) -> FloatArray:
    middle_s = (np.arange(piece.first, piece.end, dtype=np.float64) + 0.5) * step_s
    set_s = piece.satellite_pass.set_s
    if model.orbits.lost_s(set_s + step_s)[piece.satellite_pass.satellite] <= set_s + step_s:
        return np.minimum(middle_s, set_s)  # the last step may reach beyond the satellite's end
    return middle_s
