"""ntnsim: discrete-event simulation of semantic image delivery over LEO non-terrestrial networks.

>>> import ntnsim
>>> drawn = "schemes=[{name: drawn, codec: {kind: sizes, size_bits: 8.0e+5}}]"  # no network looks at a picture: quick
>>> run = ntnsim.run("scenarios/quickstart.yaml", overrides=[drawn, "horizon.n_jobs=3"])
>>> run.records.groupby("scheme", observed=True)["delay_s"].mean().index.tolist()
['drawn']

Names are imported when they are first asked for, so that ``import ntnsim`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ntnsim.api.codec import decode, encode, judge, score
    from ntnsim.api.environment import ImageDeliveryEnv
    from ntnsim.api.photograph import DecodedPhotograph, EncodedPhotograph
    from ntnsim.api.run import Run, run
    from ntnsim.api.space import link_budget, passes
    from ntnsim.api.sweep import Sweep, sweep
    from ntnsim.errors import InputError
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.protocols.codec import Codec
    from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
    from ntnsim.protocols.encoded_image import EncodedImage
    from ntnsim.protocols.imaging import Work
    from ntnsim.protocols.network_state import NetworkState
    from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, LostImage, Policy, Requirement
    from ntnsim.protocols.rate_profile import RateProfile
    from ntnsim.results.dictionary import columns
    from ntnsim.results.read import load, scan
    from ntnsim.scenario.load import load_scenario
    from ntnsim.scenario.scenario import Scenario

# Where each public name lives.
_HOMES = {
    "Codec": "protocols.codec",
    "Configuration": "protocols.configuration",
    "ConfigurationSpace": "protocols.configuration",
    "Decision": "protocols.policy",
    "DecodedPhotograph": "api.photograph",
    "DeliveredImage": "protocols.policy",
    "EncodedImage": "protocols.encoded_image",
    "EncodedPhotograph": "api.photograph",
    "ImageDeliveryEnv": "api.environment",
    "ImageState": "protocols.policy",
    "InputError": "errors",
    "LostImage": "protocols.policy",
    "NetworkState": "protocols.network_state",
    "Policy": "protocols.policy",
    "RateProfile": "protocols.rate_profile",
    "Requirement": "protocols.policy",
    "Run": "api.run",
    "Scenario": "scenario.scenario",
    "Sweep": "api.sweep",
    "Work": "protocols.imaging",
    "columns": "results.dictionary",
    "decode": "api.codec",
    "encode": "api.codec",
    "judge": "api.codec",
    "link_budget": "api.space",
    "load": "results.read",
    "load_scenario": "scenario.load",
    "open_bundle": "networks.bundle",
    "passes": "api.space",
    "run": "api.run",
    "scan": "results.read",
    "score": "api.codec",
    "sweep": "api.sweep",
}

__all__ = [
    "Codec",
    "Configuration",
    "ConfigurationSpace",
    "Decision",
    "DecodedPhotograph",
    "DeliveredImage",
    "EncodedImage",
    "EncodedPhotograph",
    "ImageDeliveryEnv",
    "ImageState",
    "InputError",
    "LostImage",
    "NetworkState",
    "Policy",
    "RateProfile",
    "Requirement",
    "Run",
    "Scenario",
    "Sweep",
    "Work",
    "__version__",
    "columns",
    "decode",
    "encode",
    "judge",
    "link_budget",
    "load",
    "load_scenario",
    "open_bundle",
    "passes",
    "run",
    "scan",
    "score",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ntnsim' has no attribute {name!r}")
    value = getattr(import_module(f"ntnsim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__") and name not in __all__)])
