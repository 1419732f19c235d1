"""A job: one image on its journey, with the times at which it passed each stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from types import MappingProxyType

from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.imaging import Encoded, Reconstruction
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import ImageState, Requirement


@dataclass(frozen=True, slots=True)
class Origin:
    """What all images of one source have in common."""

    source: str
    gateway: str
    priority: int
    requirement: Requirement
    gateway_power_w: float  # nan where the device profile states none
    data_network_power_w: float
    changes: tuple[tuple[float, Requirement], ...] = ()
    """Requirements that take the place of `requirement` later, with the second from which each holds; ascending."""

    def requirement_at(self, time_s: float) -> Requirement:
        """Return what is asked of an image that is captured at *time_s*."""
        now = self.requirement
        for from_s, later in self.changes:
            if time_s < from_s:
                break
            now = later
        return now


class WayTimes:
    """What an image that satellites queue on board went through there.

    left_bits: what the ground does not have yet. stored_bits: what it takes of the buffer of the satellite that has it.
    queued_s: when it began to wait for its present link. *_wait_s: time on board beyond its own transmissions, for
    links between satellites and for the feeder. left_s: when its last bit left for the ground; nan before.
    """

    __slots__ = (
        "feeder_wait_s",
        "hops",
        "last_satellite",
        "left_bits",
        "left_s",
        "link_wait_s",
        "queued_s",
        "since_s",
        "station",
        "stored_bits",
    )

    def __init__(self, since_s: float, bits: float) -> None:
        self.since_s = self.queued_s = since_s
        self.left_s = nan
        self.left_bits = bits
        self.stored_bits = 0.0
        self.link_wait_s = self.feeder_wait_s = 0.0
        self.hops = 0
        self.last_satellite = self.station = ""


NO_TIMES: tuple[float, ...] = ()
NO_PATIENCE: Mapping[str, float] = MappingProxyType({})


class Job:
    """One image. Times are nan until the job has passed the stage; their meaning is in results/record.py."""

    __slots__ = (
        "access_attempts",
        "access_passes_s",
        "access_start_s",
        "access_work_s",
        "after_decision_s",
        "at_data_network_s",
        "at_gateway_s",
        "batch_size",
        "before_decision_s",
        "configuration",
        "created_s",
        "data_network_busy_s",
        "decided_s",
        "delivered_s",
        "delivery_attempts",
        "delivery_passes_s",
        "delivery_start_s",
        "delivery_work_s",
        "due_s",
        "encoded",
        "encoded_s",
        "gateway_mean_s",
        "gateway_start_s",
        "image",
        "image_id",
        "index",
        "interruptions",
        "link_bits",
        "link_end_s",
        "link_head_s",
        "link_start_s",
        "network",
        "note",
        "origin",
        "patience_s",
        "priority",
        "reconstructed_s",
        "reconstruction",
        "reconstruction_mean_s",
        "reconstruction_start_s",
        "reconstruction_work_s",
        "requirement",
        "satellite",
        "source_bits",
        "way",
    )

    def __init__(
        self,
        origin: Origin,
        index: int,
        created_s: float,
        image_id: str,
        source_bits: float,
        image: ImageState,
    ) -> None:
        self.origin = origin
        self.index = index
        self.created_s = created_s
        self.image_id = image_id
        self.source_bits = source_bits
        self.image = image
        self.priority = origin.priority
        self.requirement = origin.requirement_at(created_s)
        self.due_s = created_s + self.requirement.deadline_s
        self.configuration: Configuration | None = None
        self.network: NetworkState | None = None
        self.encoded: Encoded | None = None
        self.reconstruction: Reconstruction | None = None
        self.note = self.satellite = ""
        self.way: WayTimes | None = None  # where satellites queue on board
        self.access_attempts = self.delivery_attempts = 1
        self.interruptions = self.batch_size = 0
        # Drawn when the image is taken, so that the n-th image of a source meets the same times in every scheme.
        self.access_work_s = self.delivery_work_s = 0.0
        self.access_passes_s = self.delivery_passes_s = (
            NO_TIMES  # of links that a lost transfer waits again for
        )
        self.patience_s = NO_PATIENCE  # by line
        self.before_decision_s = self.after_decision_s = self.reconstruction_work_s = 0.0
        self.gateway_mean_s = self.reconstruction_mean_s = 0.0
        self.access_start_s = self.at_gateway_s = self.gateway_start_s = self.decided_s = self.encoded_s = nan
        self.link_head_s = self.link_start_s = self.link_end_s = self.at_data_network_s = nan
        self.reconstruction_start_s = self.reconstructed_s = self.delivery_start_s = self.delivered_s = nan
        self.link_bits = self.data_network_busy_s = 0.0

    def count_interruption(self) -> None:
        """Note that a fault stopped the job's service."""
        self.interruptions += 1
