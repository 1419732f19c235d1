"""Device profiles by name: those that ship, and those of a file."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ntnsim.errors import ScenarioError
from ntnsim.scenario.compute import DeviceProfileSpec
from ntnsim.scenario.path import ScenarioPath


def device_profile(device: str | ScenarioPath | DeviceProfileSpec) -> DeviceProfileSpec:
    """Return the profile that a scenario names.

    device: a shipped profile's name, or ``FILE.yaml`` or ``FILE.yaml#NAME``, or the profile itself.
    """
    if isinstance(device, DeviceProfileSpec):
        return device
    if isinstance(device, str):
        device = ScenarioPath(device)
    file, _, name = device.written.partition("#")
    if file.endswith((".yaml", ".yml")):
        path = ScenarioPath(file, device.directory).location
        profiles = _profiles(path.read_text() if path.is_file() else None, str(path))
        if not name and len(profiles) == 1:
            return next(iter(profiles.values()))
    else:
        profiles, name = shipped_profiles(), device.written
    if name not in profiles:
        raise ScenarioError(
            f"device {device.written!r}: no such profile; there is {', '.join(sorted(profiles))}"
        )
    return profiles[name]


@cache
def shipped_profiles() -> dict[str, DeviceProfileSpec]:
    """Return the profiles in scenario/presets/devices.yaml by name."""
    resource = files("ntnsim.scenario") / "presets" / "devices.yaml"
    return _profiles(resource.read_text(), "devices.yaml")


def _profiles(text: str | None, where: str) -> dict[str, DeviceProfileSpec]:
    if text is None:
        raise ScenarioError(f"device profiles {where}: no such file")
    try:
        entries: Mapping[str, Any] = YAML(typ="safe").load(text) or {}
        return {name: DeviceProfileSpec.model_validate(entry) for name, entry in entries.items()}
    except (YAMLError, ValidationError, AttributeError) as error:
        raise ScenarioError(f"device profiles {where}: {' '.join(str(error).split())}") from None
