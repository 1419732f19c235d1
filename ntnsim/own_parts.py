"""Parts of the user's own, by the names under which a scenario asks for them: policies, codecs, channels.

A scheme says ``policy: {kind: custom, name: NAME}`` or ``codec: {kind: custom, name: NAME}``, the satellite link
``satellite_link: {kind: custom, name: NAME}``; whoever runs the scenario in Python gives what NAME stands for. With
``kind: python`` the scenario names the class itself (`ntnsim.plugins`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ntnsim.errors import ScenarioError
from ntnsim.plugins import made, offered
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import Policy
from ntnsim.protocols.rate_profile import ProfileSource
from ntnsim.scenario.own_part import OwnPartSpec

PolicyMaker = Callable[[ConfigurationSpace, int], Policy]  # the codec's space and a seed → a policy
ChannelMaker = Callable[[str], ProfileSource]  # a gateway's name → the source of its rate profiles


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

    def policy(self, wanted: OwnPartSpec, space: ConfigurationSpace, seed: int) -> Policy:
        """Return the policy that is *wanted*, made for *space* if it has to be made."""
        if wanted.class_ is not None:
            policy: Policy = made("policy", wanted, space, seed)
        else:
            part: Any = _found("policies", wanted.name, self.policies)
            policy = part(space, seed) if isinstance(part, type) or not hasattr(part, "choose") else part
        _check(
            "policies", wanted.wanted, policy, ("choose", "learn", "lose", "learns", "diagnostics", "save")
        )
        return policy

    def codec(self, wanted: OwnPartSpec, n_ranks: int) -> Codec:
        """Return the codec that is *wanted*, which must serve *n_ranks* ranks."""
        codec: Any
        if wanted.class_ is not None:
            codec = made("codec", wanted)
        else:
            codec = _found("codecs", wanted.name, self.codecs)
            codec = codec() if isinstance(codec, type) else codec
        _check("codecs", wanted.wanted, codec, ("name", "space", "digest", "encode", "decode"))
        if codec.space.n_ranks != n_ranks:
            raise ScenarioError(
                f"codecs[{wanted.wanted!r}]: is made for {codec.space.n_ranks} ranks, the scenario's task has {n_ranks}"
            )
        own: Codec = codec
        return own

    def channel(self, wanted: OwnPartSpec) -> ChannelMaker:
        """Return the channel that is *wanted*."""
        channel: Any
        if wanted.class_ is not None:
            channel = made("satellite_link", wanted)
        else:
            channel = _found("channels", wanted.name, self.channels)
        if not callable(channel):
            raise ScenarioError(
                f"channels[{wanted.wanted!r}]: must be called with a gateway's name, got a {type(channel).__name__}"
            )
        maker: ChannelMaker = channel
        return maker


def _found(kind: str, name: str, parts: Mapping[str, Any]) -> Any:
    part = parts[name] if name in parts else offered(kind, name)
    if part is None:
        given = ", ".join(repr(known) for known in parts) or "none"
        raise ScenarioError(
            f"kind custom, name {name!r}: no such part among {kind}, which holds {given}; "
            f"run the scenario from Python with ntnsim.run(…, {kind}={{{name!r}: …}}), "
            "or name its class with kind: python"
        )
    return part


def _check(kind: str, name: str, part: Any, needed: tuple[str, ...]) -> None:
    lacking = [attribute for attribute in needed if not hasattr(part, attribute)]
    if lacking:
        raise ScenarioError(f"{kind}[{name!r}]: a {type(part).__name__} lacks {', '.join(lacking)}")
