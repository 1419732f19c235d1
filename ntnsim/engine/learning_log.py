"""The log of a policy's learning: means of its lessons, a row for every few deliveries; also to TensorBoard.

A lesson tells how a delivery compares with what the policy had predicted, before it learned from it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ntnsim.errors import InputError
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, LostImage, Policy, Requirement
from ntnsim.uninterrupted import uninterrupted

EVERY_IMAGES = 10  # deliveries that one row is the mean of
IMAGES = "images"  # deliveries by the end of a row

Tell = Callable[[int, Mapping[str, float]], None]


class LoggedPolicy(Policy):
    """A policy that learns, and the log of it. tell: called with each row's images and means.

    An interruption waits until the policy has decided or learned: what it then saves is sound.
    """

    def __init__(self, policy: Policy, tell: Tell | None = None) -> None:
        self._policy, self._tell = policy, tell
        self._images = 0
        self._lessons: list[Mapping[str, float]] = []
        self.rows: list[dict[str, float]] = []

    @property
    def learns(self) -> bool:
        """As the policy says."""
        return self._policy.learns

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Pass the question on."""
        with uninterrupted():
            return self._policy.choose(image, network, requirement)

    def learn(self, delivered: DeliveredImage) -> None:
        """Pass the delivery on, and note what it taught."""
        with uninterrupted():
            self._policy.learn(delivered)
        self._images += 1
        if lesson := self._policy.lesson():
            self._lessons.append(lesson)
        if self._images % EVERY_IMAGES == 0 and self._lessons:
            names = dict.fromkeys(name for lesson in self._lessons for name in lesson)
            means = {
                name: float(np.mean([lesson[name] for lesson in self._lessons if name in lesson]))
                for name in names
            }
            self._lessons.clear()
            self.rows.append({IMAGES: self._images, **means})
            if self._tell is not None:
                self._tell(self._images, means)

    def lose(self, lost: LostImage) -> None:
        """Pass it on."""
        with uninterrupted():
            self._policy.lose(lost)

    def diagnostics(self) -> Mapping[str, float]:
        """Return the policy's figures."""
        return self._policy.diagnostics()

    def lesson(self) -> Mapping[str, float]:
        """Return the policy's figures of its last delivery."""
        return self._policy.lesson()

    def save(self, directory: Path) -> None:
        """Let the policy save what it has learned."""
        self._policy.save(directory)


def tensorboard_teller(directory: Path) -> Tell:
    """Return what writes a log's rows for TensorBoard into *directory*, as they come.

    Raises InputError without the package tensorboard, or where *directory* cannot be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard: needs the package tensorboard: pip install 'ntnsim[tensorboard]'"
        ) from None
    try:
        writer = SummaryWriter(str(directory))
    except OSError as error:
        raise InputError(
            f"--tensorboard: {directory}: cannot be written ({error.strerror or error})"
        ) from error

    def tell(images: int, means: Mapping[str, float]) -> None:
        for name, value in means.items():
            # TensorBoard groups by what stands before the slash: losses, coverage, …
            stem, _, kind = name.rpartition("_")
            tag = f"{kind}/{stem}" if stem and kind in ("loss", "coverage", "met") else f"course/{name}"
            writer.add_scalar(tag, value, images)
        writer.flush()

    return tell
