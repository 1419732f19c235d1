"""What parts of the user's own answer is looked at before the world uses it; a mistake is one line that names the part.

What a part raises itself is left as it is: the traceback leads to the line of the user's own code.
"""

import inspect
import marshal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.errors import ScenarioError
from ntnsim.given import kind_of
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.protocols.imaging import Work
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, LostImage, Policy, Requirement
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.results.provenance import digest

_SAME_TIME = 1e-6  # of a step: by how much a window may miss the time that it was wanted for


class CheckedPolicy(Policy):
    """A policy of the user's own, whose decisions fit the codec."""

    def __init__(self, name: str, policy: Policy, space: ConfigurationSpace) -> None:
        self._name, self._policy, self._space = name, policy, space

    @property
    def learns(self) -> bool:
        """As the policy says."""
        return bool(self._policy.learns)

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the policy's decision, which must be one for this codec."""
        decision: Any = self._policy.choose(image, network, requirement)
        if not isinstance(decision, Decision):
            hint = ": write Decision(configuration)" if isinstance(decision, Configuration) else ""
            raise self._wrong(f"choose must return an ntnsim.Decision, got {kind_of(decision)}{hint}")
        configuration: Any = decision.configuration
        if configuration is None:
            return decision
        if not isinstance(configuration, Configuration):
            raise self._wrong(
                f"Decision needs an ntnsim.Configuration, or None to reject the image, got {kind_of(configuration)}"
            )
        below_top = self._space.n_ranks - 1
        if len(configuration.patch_fractions) != below_top:
            raise self._wrong(
                f"the configuration has {len(configuration.patch_fractions)} patch fractions; "
                f"{self._space.n_ranks} ranks need {below_top}"
            )
        if configuration.coarse_quality > 0 and not self._space.has_coarse_layer:
            raise self._wrong(
                f"coarse_quality is {configuration.coarse_quality:g}; this codec has no coarse layer: leave it at 0"
            )
        return decision

    def learn(self, delivered: DeliveredImage) -> None:
        """Hand on."""
        self._policy.learn(delivered)

    def lose(self, lost: LostImage) -> None:
        """Hand on."""
        self._policy.lose(lost)

    def diagnostics(self) -> Mapping[str, float]:
        """Return the policy's figures, which the summary must be able to hold."""
        return self._numbers("diagnostics", self._policy.diagnostics())

    def lesson(self) -> Mapping[str, float]:
        """Return the policy's figures of its last delivery, which the log of learning must be able to hold."""
        return self._numbers("lesson", self._policy.lesson())

    def save(self, directory: Path) -> None:
        """Hand on."""
        self._policy.save(directory)

    def _numbers(self, method: str, figures: Any) -> dict[str, float]:
        try:
            return {str(name): float(figure) for name, figure in figures.items()}
        except (AttributeError, TypeError, ValueError):
            raise self._wrong(f"{method} must return numbers by name, got {kind_of(figures)}") from None

    def _wrong(self, what: str) -> ScenarioError:
        return ScenarioError(f"policies[{self._name!r}]: {what}")


class CheckedCodec(Codec):
    """A codec of the user's own, whose bytes and pictures can be accounted for.

    Its outcomes are kept under its digest and the text of its class, so that a class that was changed in a notebook is
    not taken for what it was before.
    """

    def __init__(self, name: str, codec: Codec) -> None:
        self._part, self._codec = name, codec
        self.name, self.space = codec.name, codec.space
        self.digest = f"{codec.digest} {class_digest(codec)}"
        self.work = getattr(codec, "work", Codec.work)
        self.delivers_coded_file = bool(getattr(codec, "delivers_coded_file", False))
        if not isinstance(self.space, ConfigurationSpace):
            raise self._wrong(f"space must be an ntnsim.ConfigurationSpace, got {kind_of(self.space)}")
        if not isinstance(self.work, Work):
            raise self._wrong(f"work must be an ntnsim.Work, got {kind_of(self.work)}")

    def encode(
        self, pixels: UInt8Image, rank_map: RankMap, configuration: Configuration, seed: int
    ) -> EncodedImage:
        """Return the coded image, with bits for every rank."""
        coded: Any = self._codec.encode(pixels, rank_map, configuration, seed)
        if not isinstance(coded, EncodedImage):
            raise self._wrong(f"encode must return an ntnsim.EncodedImage, got {kind_of(coded)}")
        if len(coded.bits_per_rank) != self.space.n_ranks:
            raise self._wrong(
                f"encode gave the bits of {len(coded.bits_per_rank)} ranks; its space has {self.space.n_ranks}"
            )
        return coded

    def decode(self, payloads: Sequence[bytes], seeds: Sequence[int]) -> list[UInt8Image]:
        """Return one picture for each payload."""
        pictures: Any = self._codec.decode(payloads, seeds)
        if not isinstance(pictures, Sequence) or len(pictures) != len(payloads):
            count = f"{len(pictures)} pictures" if isinstance(pictures, Sequence) else kind_of(pictures)
            raise self._wrong(f"decode must return a list of {len(payloads)} pictures, got {count}")
        for picture in pictures:
            self._check_picture("decode", picture)
        return list(pictures)

    def received_picture(self, payload: bytes) -> UInt8Image | None:
        """Return what was received, or None."""
        received = getattr(self._codec, "received_picture", None)
        picture: UInt8Image | None = received(payload) if received is not None else None
        if picture is not None:
            self._check_picture("received_picture", picture)
        return picture

    def _check_picture(self, where: str, picture: Any) -> None:
        if not isinstance(picture, np.ndarray):
            raise self._wrong(f"{where} must give pictures uint8 [H, W, 3], got {kind_of(picture)}")
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise self._wrong(
                f"{where} must give pictures uint8 [H, W, 3], got {picture.dtype} {list(picture.shape)}"
            )

    def _wrong(self, what: str) -> ScenarioError:
        return ScenarioError(f"codecs[{self._part!r}]: {what}")


class CheckedChannel:
    """A channel of the user's own at one gateway, whose windows follow each other and are all of one length.

    It has ``efficiency_at`` if the channel has: what rain in decibels needs.
    """

    def __init__(self, name: str, gateway: str, source: Any) -> None:
        self._place = f"channels[{name!r}], gateway {gateway!r}"
        if not callable(source):
            raise ScenarioError(
                f"{self._place}: must give a function from a time to an ntnsim.RateProfile, got {kind_of(source)}"
            )
        self._source: Callable[[float], Any] = source
        self._length_s: float | None = None
        self.efficiency_at = getattr(source, "efficiency_at", None)

    def __call__(self, start_s: float) -> RateProfile:
        """Return the channel's window from *start_s* on."""
        profile = self._source(start_s)
        if not isinstance(profile, RateProfile):
            raise ScenarioError(f"{self._place}: must give an ntnsim.RateProfile, got {kind_of(profile)}")
        if not abs(profile.start_s - start_s) <= _SAME_TIME * profile.step_s:
            raise ScenarioError(
                f"{self._place}: the window wanted from {start_s:g} s on begins at {profile.start_s:g} s"
            )
        length_s = len(profile.rate_bps) * profile.step_s
        first_s = self._length_s = length_s if self._length_s is None else self._length_s
        if not abs(length_s - first_s) <= _SAME_TIME * profile.step_s:
            raise ScenarioError(
                f"{self._place}: the window from {start_s:g} s on is {length_s:g} s long, the first was {first_s:g} s; "
                "all must be of one length"
            )
        return profile


def class_digest(part: Any) -> str:
    """Return a digest of the text of *part*'s class or function, or of its code where there is no text."""
    kind = part if inspect.isclass(part) or inspect.isroutine(part) else type(part)
    try:
        return digest(inspect.getsource(kind))
    except (OSError, TypeError):
        members = vars(kind).values() if inspect.isclass(kind) else [kind]
        codes = [
            marshal.dumps(code).hex() for member in members if (code := getattr(member, "__code__", None))
        ]
        return digest(codes)
