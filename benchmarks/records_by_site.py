"""Whether records partitioned by site would serve better than parts in order of time, which `ntnsim.scan` filters.

Run: python benchmarks/records_by_site.py [--rows 200000] [--sites 1000] [--columns 60]

Writes one table of drawn numbers twice: in parts, as runs do, and as a pyarrow dataset with a directory per site. Tells
files, MB, CPU seconds to write, to read three columns of one site, and to read one column of all; writes
results/benchmarks/records_by_site.json.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import dataset
from pyarrow.compute import field

from ntnsim.results.writer import PartWriter

RESULTS = Path("results/benchmarks/records_by_site.json")
BY_SITE = dataset.partitioning(pa.schema([("gateway", pa.string())]), flavor="hive")


def drawn(rows: int, sites: int, columns: int) -> pa.Table:
    """Return a table [rows] with a gateway and *columns* of numbers."""
    rng = np.random.default_rng(1)
    names = pa.array([f"site-{number}" for number in range(sites)])
    numbers = pa.array(rng.integers(0, sites, rows, dtype=np.int32))
    values = {f"column_{number}": rng.normal(size=rows) for number in range(columns)}
    return pa.table({"gateway": pa.DictionaryArray.from_arrays(numbers, names), **values})


def read(directory: Path, **how: Any) -> dict[str, float]:
    """Measure a data set."""
    files = [path for path in directory.rglob("*.parquet")]
    began_s = time.process_time()
    found = dataset.dataset(directory, **how)
    found.to_table(["column_0", "column_1", "column_2"], filter=field("gateway") == "site-0")
    site_s = time.process_time() - began_s
    found.to_table(["column_0"])
    return {
        "files": len(files),
        "mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "one_site_cpu_s": round(site_s, 3),
        "one_column_cpu_s": round(time.process_time() - began_s - site_s, 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=60)
    arguments = parser.parse_args()
    table = drawn(arguments.rows, arguments.sites, arguments.columns)
    with tempfile.TemporaryDirectory() as folder:
        in_parts, by_site = Path(folder) / "parts", Path(folder) / "sites"
        began_s = time.process_time()
        writer = PartWriter(in_parts, schema=table.schema)
        writer.write({name: table.column(name) for name in table.column_names})
        writer.close()
        parts_s = time.process_time() - began_s
        zstd = dataset.ParquetFileFormat().make_write_options(compression="zstd")
        dataset.write_dataset(
            table,
            by_site,
            format="parquet",
            partitioning=BY_SITE,
            max_partitions=arguments.sites,
            max_open_files=arguments.sites,
            file_options=zstd,
        )
        sites_s = time.process_time() - began_s - parts_s
        found = {
            "parts": {"write_cpu_s": round(parts_s, 2), **read(in_parts)},
            "by_site": {"write_cpu_s": round(sites_s, 2), **read(by_site, partitioning=BY_SITE)},
        }
    for name, figures in found.items():
        print(name, ", ".join(f"{key} {value}" for key, value in figures.items()))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**vars(arguments), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
