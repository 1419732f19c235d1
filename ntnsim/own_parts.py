"""Parts of the user's own, by the names under which a scenario asks for them: policies, codecs, channels.

A scheme says ``policy: {kind: custom, name: NAME}`` or ``codec: {kind: custom, name: NAME}``, the satellite link
``satellite_link: {kind: custom, name: NAME}``; whoever runs the scenario in Python gives what NAME stands for. With
``kind: python`` the scenario names the class itself (`ntnsim.plugins`).
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ntnsim.errors import ScenarioError
from ntnsim.given import kind_of
from ntnsim.own_answers import CheckedChannel, CheckedCodec, CheckedPolicy
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
        place = f"policies[{wanted.wanted!r}]"
        if wanted.class_ is not None:
            policy: Policy = made("policy", wanted, space, seed)
        else:
            part: Any = _found("policies", wanted.name, self.policies)
            makes = isinstance(part, type) or not hasattr(part, "choose")
            policy = _made(place, part, "a policy", space, seed) if makes else part
        _check(place, policy, _POLICY)
        return CheckedPolicy(wanted.wanted, policy, space)

    def codec(self, wanted: OwnPartSpec, n_ranks: int) -> Codec:
        """Return the codec that is *wanted*, which must serve *n_ranks* ranks."""
        codec: Any
        place = f"codecs[{wanted.wanted!r}]"
        if wanted.class_ is not None:
            codec = made("codec", wanted)
        else:
            codec = _found("codecs", wanted.name, self.codecs)
            codec = _made(place, codec, "a codec") if isinstance(codec, type) else codec
        _check(place, codec, _CODEC)
        checked = CheckedCodec(wanted.wanted, codec)
        if checked.space.n_ranks != n_ranks:
            raise ScenarioError(
                f"{place}: is made for {checked.space.n_ranks} ranks, the scenario's task has {n_ranks}"
            )
        return checked

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
        return lambda gateway: CheckedChannel(wanted.wanted, gateway, channel(gateway))


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


@dataclass(frozen=True)
class _Kind:
    """What a part of one kind is checked against.

    own: the methods that it must write itself. needed: what it must have; the protocol answers for what it left out.
    """

    protocol: type
    own: tuple[str, ...]
    needed: tuple[str, ...]


_POLICY = _Kind(Policy, ("choose",), ("choose", "learn", "lose", "learns", "diagnostics", "save"))
_CODEC = _Kind(Codec, ("encode", "decode"), ("name", "space", "digest", "encode", "decode"))
_WITHOUT_ARGUMENTS = (object.__init__, Policy.__init__, Codec.__init__)


def _check(place: str, part: Any, kind: _Kind) -> None:
    derived = kind.protocol in type(part).__mro__
    lacking = [name for name in kind.needed if not hasattr(part, name)]
    if derived:
        lacking += [name for name in kind.own if getattr(type(part), name) is getattr(kind.protocol, name)]
    if lacking:
        hint = "" if derived else f"; derive the class from ntnsim.{kind.protocol.__name__}"
        raise ScenarioError(f"{place}: a {type(part).__name__} lacks {', '.join(lacking)}{hint}")


def _made(place: str, maker: Any, what: str, *arguments: Any) -> Any:
    """Return what *maker* makes of *arguments*, or of none where it takes none. what: for complaints."""
    if not callable(maker):
        raise ScenarioError(f"{place}: must be {what}, or what makes one, got {kind_of(maker)}")
    plain = inspect.isclass(maker) and maker.__init__ in _WITHOUT_ARGUMENTS
    for given in (() if plain else arguments), ():
        try:
            inspect.signature(maker).bind(*given)
        except TypeError:
            continue
        return maker(*given)
    wanted = " and ".join(f"a {type(argument).__name__}" for argument in arguments) or "nothing"
    raise ScenarioError(
        f"{place}: {getattr(maker, '__name__', maker)} makes no {what.split()[-1]}: it does not take {wanted}"
    )
