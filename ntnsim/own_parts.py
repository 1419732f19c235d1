"""Parts of the user's own, by the names under which a scenario asks for them: policies, codecs, channels.

A scheme says ``policy: {kind: custom, name: NAME}`` or ``codec: {kind: custom, name: NAME}``, the satellite link
``satellite_link: {kind: custom, name: NAME}``; whoever runs the scenario in Python gives what NAME stands for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ntnsim.errors import ScenarioError
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import Policy
from ntnsim.protocols.rate_profile import ProfileSource

PolicyMaker = Callable[[ConfigurationSpace, int], Policy]  # the codec's space and a seed → a policy
ChannelMaker = Callable[[str], ProfileSource]  # a gateway's name → the source of its rate profiles

Part = TypeVar("Part")


@dataclass(frozen=True)
class OwnParts:
    """What the user brings.

    policies: a policy, or what makes one for each scheme (a class will do): it is called with the codec's
        configuration space and a seed.
    codecs: codecs as they are.
    channels: what gives a gateway's name its rate profiles.
    """

    policies: Mapping[str, Policy | PolicyMaker] = field(default_factory=dict)
    codecs: Mapping[str, Codec] = field(default_factory=dict)
    channels: Mapping[str, ChannelMaker] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.policies or self.codecs or self.channels)

    def policy(self, name: str, space: ConfigurationSpace, seed: int) -> Policy:
        """Return the policy called *name*, made for *space* if it has to be made."""
        part: Any = _found("policies", name, self.policies)
        policy: Policy = part(space, seed) if isinstance(part, type) or not hasattr(part, "choose") else part
        _check("policies", name, policy, ("choose", "learn", "lose", "learns", "diagnostics", "save"))
        return policy

    def codec(self, name: str, n_ranks: int) -> Codec:
        """Return the codec called *name*, which must serve *n_ranks* ranks."""
        codec = _found("codecs", name, self.codecs)
        _check("codecs", name, codec, ("name", "space", "digest", "encode", "decode"))
        if codec.space.n_ranks != n_ranks:
            raise ScenarioError(
                f"codecs[{name!r}]: is made for {codec.space.n_ranks} ranks, the scenario's task has {n_ranks}"
            )
        return codec

    def channel(self, name: str) -> ChannelMaker:
        """Return the channel called *name*."""
        channel = _found("channels", name, self.channels)
        if not callable(channel):
            raise ScenarioError(
                f"channels[{name!r}]: must be called with a gateway's name, got a {type(channel).__name__}"
            )
        return channel


def _found(kind: str, name: str, parts: Mapping[str, Part]) -> Part:
    if name not in parts:
        given = ", ".join(repr(known) for known in parts) or "none"
        raise ScenarioError(
            f"kind custom, name {name!r}: no such part among {kind}, which holds {given}; "
            f"run the scenario from Python with ntnsim.run(…, {kind}={{{name!r}: …}})"
        )
    return parts[name]


def _check(kind: str, name: str, part: Any, needed: tuple[str, ...]) -> None:
    lacking = [attribute for attribute in needed if not hasattr(part, attribute)]
    if lacking:
        raise ScenarioError(f"{kind}[{name!r}]: a {type(part).__name__} lacks {', '.join(lacking)}")
