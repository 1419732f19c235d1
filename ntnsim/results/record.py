"""The record of a job: one flat row per image, delivered or not, and the buffer that hands rows on in batches.

The columns are listed once, here, with type, unit and meaning; result files, figures and documentation follow this
list. Times are seconds of simulated time, sizes bits. What does not exist for a job (the delivery time of a dropped
image, a score nobody computed) is ``nan`` in a float column, null in an integer one, "" in a text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

from ntnsim.protocols.network_state import DataNetworkState, GatewayState, SatelliteLinkState
from ntnsim.uninterrupted import uninterrupted

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Mapping[str, Sequence[Any]]

DELIVERED, LATE, DROPPED, IN_FLIGHT = "delivered", "late", "dropped", "in_flight"
END_STATES = (DELIVERED, LATE, DROPPED, IN_FLIGHT)
COMPONENTS = ("gw_comm", "gw_comp", "ntn_comm", "dn_comp", "dn_comm")  # d of Eq. 1, in its order

STAGE_TIMES = (
    ("created_s", "the image was taken"),
    ("access_start_s", "its transfer to the gateway began"),
    ("at_gateway_s", "the gateway had it whole"),
    ("gateway_start_s", "a processor took it up"),
    ("decided_s", "the policy chose its configuration, and Ω_t was observed"),
    ("encoded_s", "the bitstream was ready"),
    ("link_start_s", "its first bit could be sent up: head of its queue and in contact"),
    ("link_end_s", "its last bit was sent"),
    ("at_data_network_s", "the data network had it whole"),
    ("reconstruction_start_s", "a GPU took up its batch"),
    ("reconstructed_s", "the batch was done"),
    ("delivery_start_s", "its transfer to the user began"),
    ("delivered_s", "the user had it whole"),
)


UNITS = {
    "_bps": "bit/s",
    "_bits": "bit",
    "_px": "px",
    "_deg": "°",
    "_db": "dB",
    "_j": "J",
    "_s": "s",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its type (text, integer, real, truth) and what it holds."""

    name: str
    type: str
    meaning: str

    @property
    def unit(self) -> str:
        """The unit, as the name's ending tells it; "" for a count, a share or a text."""
        if self.type == "text":
            return ""
        stem = self.name.rstrip("0123456789").rstrip("_") if self.name.startswith("bits_rank") else self.name
        if stem == "bits_rank":
            return "bit"
        return next((unit for ending, unit in UNITS.items() if stem.endswith(ending)), "")


# What a cell holds where the job has no such thing, by the column's type.
EMPTY: Mapping[str, Any] = {"text": "", "integer": None, "real": nan}
_COLUMN_TYPES = {str: "text", int: "integer", float: "real"}


_OMEGA_MEANINGS = {
    "omega_gw_access_rate_bps": "rate of the access link; inf where transfers take no time",
    "omega_gw_access_queue": "images waiting for, or on, the access link",
    "omega_gw_queue": "images waiting for a processor of the gateway",
    "omega_gw_busy_servers": "processors of the gateway at work",
    "omega_gw_residual_work_s": "expected processor time of all that is queued or in service at the gateway",
    "omega_ntn_satellite": "serving satellite; empty when none is in view",
    "omega_ntn_elevation_deg": "its elevation; nan when none is in view",
    "omega_ntn_sinr_db": "SINR of the satellite link",
    "omega_ntn_rate_bps": "what this terminal would get then, after sharing",
    "omega_ntn_backlog_bits": "admitted to the satellite link and not yet sent",
    "omega_ntn_remaining_pass_s": "until the serving satellite sets",
    "omega_ntn_next_contact_s": "until bits can flow; 0 in contact",
    "omega_ntn_load": "share of the beam's resources that others take, in [0, 1]",
    "omega_ntn_propagation_s": "propagation delay of the satellite link",
    "omega_dn_queue": "images waiting for a GPU of the data network",
    "omega_dn_free_gpus": "GPUs of the data network without work",
    "omega_dn_residual_work_s": "expected GPU time of all that is queued or in service",
    "omega_dn_delivery_rate_bps": "rate of the delivery link; inf where transfers take no time",
}


def _omega_columns() -> tuple[Column, ...]:
    """Return the columns of Ω_t as the policy saw it: the entries of `NetworkState`, in their order and types."""
    columns = [Column("omega_time_s", "real", "when this state held")]
    for prefix, part in (("gw", GatewayState), ("ntn", SatelliteLinkState), ("dn", DataNetworkState)):
        for name, kind in part.__annotations__.items():
            column = f"omega_{prefix}_{name}"
            columns.append(Column(column, _COLUMN_TYPES[kind], _OMEGA_MEANINGS[column]))
    return tuple(columns)


OMEGA_COLUMNS = _omega_columns()


_SCORES = {
    "pf": "PF of the whole image, 1 − perceptual distance",
    "sf": "SF of the whole image, cosine of features",
    "caption_sf": "similarity of the reconstruction and the original's caption; nan without a caption",
    "psnr_db": "peak signal-to-noise ratio of the whole image",
    "ssim": "structural similarity of the whole image",
    "ms_ssim": "multi-scale structural similarity of the whole image",
}


def record_columns(n_ranks: int, score_names: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a run's records, in the order of a row.

    n_ranks: R, the largest of the run's schemes; it sets how many per-rank columns there are.
    score_names: whole-image scores beside the per-rank PF and SF, such as ``pf``, ``sf``, ``psnr_db``.
    """
    ranks = range(n_ranks)
    return (
        Column("scheme", "text", "name of the (codec, policy) pair"),
        Column("job", "text", "source and index, unique within a scheme"),
        Column("source", "text", "name of the source that took it, copies numbered"),
        Column("index", "integer", "position among the source's images, from 0"),
        Column("gateway", "text", "name of the gateway that coded it"),
        Column("image_id", "text", "the image in its dataset"),
        Column("priority", "integer", "larger is more urgent"),
        Column("state", "text", "end state: " + ", ".join(END_STATES)),
        Column("reason", "text", "why it was dropped"),
        Column("note", "text", "what the policy said of an accepted configuration"),
        Column("deadline_s", "real", "d_max"),
        Column("deadline_met", "truth", "delivered within d_max"),
        *(Column(name, "real", f"when {meaning}") for name, meaning in STAGE_TIMES),
        Column("ended_s", "real", "when it reached its end state; nan in flight"),
        Column("delay_s", "real", "d of Eq. 1, the sum of the ten parts below"),
        *(
            Column(f"{component}_{part}_s", "real", f"{part} part of d_{component}")
            for component in COMPONENTS
            for part in ("wait", "service")
        ),
        Column(
            "contact_wait_s", "real", "part of ntn_comm_wait_s spent at the head of the queue without contact"
        ),
        Column("access_attempts", "integer", "transfers to the gateway, lost ones included"),
        Column("interruptions", "integer", "times that a fault stopped its service"),
        Column("batch_size", "integer", "images in its GPU batch"),
        Column("satellite", "text", "serving satellite when the last bit was sent"),
        Column(
            "on_board_s",
            "real",
            "part of ntn_comm_service_s from its arrival at the first satellite until its last bit left the last; nan "
            "where satellites do not queue",
        ),
        Column("isl_wait_s", "real", "part of on_board_s spent waiting for links between satellites"),
        Column(
            "feeder_wait_s",
            "real",
            "part of on_board_s spent waiting for the feeder or for a station in view",
        ),
        Column(
            "isl_hops",
            "integer",
            "links between satellites that it crossed; null where satellites do not queue",
        ),
        Column("last_satellite", "text", "the satellite that sent it down, where satellites queue"),
        Column("ground_station", "text", "the station that received it, where satellites queue"),
        Column("gateway_energy_j", "real", "processor time × the device's power, if the profile states it"),
        Column("data_network_energy_j", "real", "its share of the batch's GPU time × power"),
        Column("width_px", "integer", "width of the photograph"),
        Column("height_px", "integer", "height of the photograph"),
        *(Column(f"rank_fraction_{rank}", "real", f"share of pixels in rank {rank}") for rank in ranks),
        Column("original_bits", "integer", "file as captured"),
        Column("transmitted_bits", "integer", "coded file"),
        Column("overhead_bits", "integer", "part of transmitted_bits that belongs to no rank"),
        *(
            Column(f"bits_rank_{rank}", "integer", f"part of transmitted_bits for rank {rank}")
            for rank in ranks
        ),
        Column("link_bits", "real", "transmitted_bits and protocol overhead"),
        Column("reconstructed_bits", "integer", "file delivered to the user"),
        Column("savings", "real", "1 − transmitted_bits / original_bits"),
        Column("x_box_growth", "real", "β, growth of the top rank's box"),
        *(
            Column(
                f"x_patch_fraction_{rank}",
                "real",
                f"p({rank}), share of the patches of rank {rank} that were sent",
            )
            for rank in range(n_ranks - 1)
        ),
        Column("x_coarse_quality", "real", "q, quality of the coarse layer"),
        *(
            Column(
                f"pf_rank_{rank}",
                "real",
                f"PF of rank {rank}, 1 − perceptual distance; 1 where the rank is empty",
            )
            for rank in ranks
        ),
        *(
            Column(
                f"sf_rank_{rank}", "real", f"SF of rank {rank}, cosine of features; 1 where the rank is empty"
            )
            for rank in ranks
        ),
        *(Column(name, "real", _SCORES.get(name, "score of the whole image")) for name in score_names),
        *OMEGA_COLUMNS,
    )


def arrow_schema(columns: Sequence[Column]) -> "pa.Schema":
    """Return the Parquet types of *columns*."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "real": pa.float64(), "truth": pa.bool_()}
    return pa.schema([pa.field(column.name, types[column.type]) for column in columns])


class RecordBuffer:
    """Collects rows and hands them on as columns, *batch_rows* at a time, so that memory stays flat.

    Rows are turned into columns in small lots, while the processor still has them at hand: it halves the cost.
    """

    _LOT_ROWS = 128

    def __init__(
        self, columns: Sequence[Column], write: Callable[[Columns], None], batch_rows: int = 4096
    ) -> None:
        self._names = tuple(column.name for column in columns)
        self._write = write
        self._batch_rows = batch_rows
        self._lot: list[tuple[Any, ...]] = []
        self._columns: tuple[list[Any], ...] = tuple([] for _ in self._names)

    def append(self, row: tuple[Any, ...]) -> None:
        """Take one job's *row*, in the order of the columns."""
        self._lot.append(row)
        if len(self._lot) >= self._LOT_ROWS:
            with uninterrupted():
                self._turn()
            if len(self._columns[0]) >= self._batch_rows:
                self.flush()

    def flush(self) -> None:
        """Hand on what there is."""
        with uninterrupted():
            self._turn()
            if self._columns[0]:
                self._write(dict(zip(self._names, self._columns, strict=True)))
                self._columns = tuple([] for _ in self._names)

    def _turn(self) -> None:
        for column, values in zip(self._columns, zip(*self._lot, strict=True), strict=False):
            column.extend(values)
        self._lot = []
