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


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its type (text, integer, real, truth) and what it holds."""

    name: str
    type: str
    meaning: str


# What a cell holds where the job has no such thing, by the column's type.
EMPTY: Mapping[str, Any] = {"text": "", "integer": None, "real": nan}
_COLUMN_TYPES = {str: "text", int: "integer", float: "real"}


def _omega_columns() -> tuple[Column, ...]:
    """Return the columns of Ω_t as the policy saw it: the entries of `NetworkState`, in their order and types."""
    columns = [Column("omega_time_s", "real", "when this state held")]
    for prefix, part in (("gw", GatewayState), ("ntn", SatelliteLinkState), ("dn", DataNetworkState)):
        for name, kind in part.__annotations__.items():
            columns.append(Column(f"omega_{prefix}_{name}", _COLUMN_TYPES[kind], ""))
    return tuple(columns)


OMEGA_COLUMNS = _omega_columns()


def record_columns(n_ranks: int, score_names: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a run's records, in the order of a row.

    n_ranks: R, the largest of the run's schemes; it sets how many per-rank columns there are.
    score_names: whole-image scores beside the per-rank PF and SF, such as ``pf``, ``sf``, ``psnr_db``.
    """
    ranks = range(n_ranks)
    return (
        Column("scheme", "text", "name of the (codec, policy) pair"),
        Column("job", "text", "source and index, unique within a scheme"),
        Column("source", "text", ""),
        Column("index", "integer", "position among the source's images, from 0"),
        Column("gateway", "text", ""),
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
        Column("gateway_energy_j", "real", "processor time × the device's power, if the profile states it"),
        Column("data_network_energy_j", "real", "its share of the batch's GPU time × power"),
        Column("width_px", "integer", ""),
        Column("height_px", "integer", ""),
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
        Column("x_box_growth", "real", "β"),
        *(Column(f"x_patch_fraction_{rank}", "real", f"p({rank})") for rank in range(n_ranks - 1)),
        Column("x_coarse_quality", "real", "q"),
        *(Column(f"pf_rank_{rank}", "real", f"PF of rank {rank}") for rank in ranks),
        *(Column(f"sf_rank_{rank}", "real", f"SF of rank {rank}") for rank in ranks),
        *(Column(name, "real", "score of the whole image") for name in score_names),
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
            self._turn()
            if len(self._columns[0]) >= self._batch_rows:
                self.flush()

    def flush(self) -> None:
        """Hand on what is left."""
        self._turn()
        if self._columns[0]:
            self._write(dict(zip(self._names, self._columns, strict=True)))
            self._columns = tuple([] for _ in self._names)

    def _turn(self) -> None:
        for column, values in zip(self._columns, zip(*self._lot, strict=True), strict=False):
            column.extend(values)
        self._lot = []
