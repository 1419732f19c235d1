"""Where a satellite stands along a pass, step by step, and how far its way down is: what the link of the pass needs."""

import numpy as np

from ntnsim.link.pass_link import LinkModel, PassGeometry
from ntnsim.orbit.earth import Site
from ntnsim.orbit.geometry import look, satellite_view_uv
from ntnsim.orbit.pass_book import Pass
from ntnsim.sky.space_model import SpaceModel
from ntnsim.units import SPEED_OF_LIGHT_M_S


def pass_geometry(
    model: SpaceModel,
    link: LinkModel,
    site: Site,
    satellite_pass: Pass,
    steps: tuple[int, int],
    step_s: float,
) -> PassGeometry:
    """Return the geometry of a pass over *site* in the middles of *steps* [first, end) of the scenario's grid."""
    first, end = steps
    middle_s = (first + np.arange(end - first, dtype=np.float64) + 0.5) * step_s
    lost_s = model.orbits.lost_s(satellite_pass.set_s + step_s)[satellite_pass.satellite]
    if lost_s <= satellite_pass.set_s + step_s:
        middle_s = np.minimum(
            middle_s, satellite_pass.set_s
        )  # the last step may reach beyond the satellite's end
    positions_m = model.orbits.positions_of_m(np.full(end - first, satellite_pass.satellite), middle_s)
    spots = site.at(middle_s)
    sine, range_m = look(spots, positions_m)
    ground = model.reach.path(satellite_pass.satellite, middle_s)
    service_s = range_m / SPEED_OF_LIGHT_M_S
    payload = model.space.payload
    transparent = payload.kind == "transparent"
    processing_s = payload.processing_s if payload.kind == "regenerative" else 0.0
    uv = None
    if link.beams == "satellite_fixed" or link.scan_exponent > 0:
        uv = satellite_view_uv(spots, positions_m)
    direction = None
    if link.channel is not None:
        direction = (positions_m - spots.position_m) / range_m[:, np.newaxis]
    return PassGeometry(
        first_step=first,
        step_s=step_s,
        elevation_deg=np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))),
        range_m=range_m,
        round_trip_s=2 * (service_s + ground.delay_s) if transparent else 2 * service_s,
        propagation_s=service_s + processing_s + ground.delay_s,
        ground_range_m=ground.range_m,
        ground_elevation_deg=ground.elevation_deg,
        beam_uv=uv,
        direction=direction,
    )
