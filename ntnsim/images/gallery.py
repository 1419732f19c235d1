"""The pictures of a run: which images are shown, and their three pictures for every scheme.

Shown are the first images that the first scheme with pictures delivers; the other schemes show the same ones, so that
a row of the gallery compares like with like.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ntnsim.images.pipeline import ImagePipeline
from ntnsim.protocols.configuration import Configuration
from ntnsim.results.gallery import GalleryEntry, GalleryWriter
from ntnsim.results.record import DELIVERED, LATE, Columns


class RunGallery:
    """Looks through the records as they are written, and draws what it chose when a scheme has run."""

    def __init__(self, directory: Path, n_images: int) -> None:
        self._writer = GalleryWriter(directory)
        self._n_images = n_images
        self._chosen: list[str] = []  # jobs; empty until a scheme with pictures has delivered some
        self._rows: dict[str, dict[str, Any]] = {}  # of the scheme that runs now, by job
        self._images: set[str] = set()  # a photograph that is sent twice is shown once

    def see(self, columns: Columns) -> None:
        """Look through a batch of records of the scheme that runs now."""
        if len(self._rows) >= self._n_images:
            return
        for index, state in enumerate(columns["state"]):
            job, image = columns["job"][index], columns["image_id"][index]
            wanted = job in self._chosen if self._chosen else image not in self._images
            if wanted and state in (DELIVERED, LATE) and len(self._rows) < self._n_images:
                self._images.add(image)
                self._rows[job] = {name: values[index] for name, values in columns.items()}

    def draw(
        self,
        scheme: str,
        pipeline: ImagePipeline | None,
        capture: Callable[[ImagePipeline, str, int], None],
    ) -> None:
        """Draw the images of the scheme that just ran; *pipeline* is None where there are no pictures.

        capture: called with the pipeline and each image's source and index, if another pipeline captured it.
        """
        if pipeline is not None:
            self._chosen = self._chosen or list(self._rows)
            for job in self._chosen:
                if job in self._rows:
                    capture(pipeline, self._rows[job]["source"], self._rows[job]["index"])
                    self._add(scheme, job, self._rows[job], pipeline)
        self._rows, self._images = {}, set()

    def state(self) -> dict[str, Any]:
        """Return what was drawn so far, as JSON values."""
        return {"chosen": self._chosen, "entries": [asdict(entry) for entry in self._writer.entries]}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` returned; the pictures themselves are in the directory still."""
        self._chosen = list(state["chosen"])
        self._writer.entries = [
            GalleryEntry(**{**entry, "pf_rank": tuple(entry["pf_rank"]), "sf_rank": tuple(entry["sf_rank"])})
            for entry in state["entries"]
        ]

    def close(self) -> None:
        """Write the index, if there is any picture."""
        if self._chosen:
            self._writer.close()

    def _add(self, scheme: str, job: str, row: dict[str, Any], pipeline: ImagePipeline) -> None:
        ranks = range(pipeline.n_ranks)
        fractions = tuple(row[f"x_patch_fraction_{rank}"] for rank in ranks[:-1])
        configuration = Configuration(row["x_box_growth"], fractions, row["x_coarse_quality"])
        pictures = pipeline.pictures(row["image_id"], configuration)
        self._writer.add(
            scheme=scheme,
            job=job,
            image=row["image_id"],
            original=pictures.original,
            received=pictures.received,
            reconstruction=pictures.reconstruction,
            transmitted_bits=row["transmitted_bits"],
            original_bits=row["original_bits"],
            pf=row["pf"],
            sf=row["sf"],
            pf_rank=[row[f"pf_rank_{rank}"] for rank in ranks],
            sf_rank=[row[f"sf_rank_{rank}"] for rank in ranks],
            configuration=pipeline.shown(configuration),
        )
