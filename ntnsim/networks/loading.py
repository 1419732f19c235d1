"""Networks from a bundle's files, whole or not at all.

The libraries fill in what weights do not give: a network whose files do not match it loads with random parameters and a
remark. Here every parameter must come from the files, every tensor of the files must have its place, and all must be
numbers. Only safetensors are read, and no code of the bundle runs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntnsim.errors import BundleError, first_line
from ntnsim.networks.bundle import quiet_libraries

# The parts of an inpainting pipeline that hold weights, and the classes that they may be of, by library.
PIPELINE_PARTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "unet": (("diffusers", "UNet2DConditionModel"),),
    "vae": (("diffusers", "AutoencoderKL"), ("diffusers", "AutoencoderTiny")),
    "text_encoder": (("transformers", "CLIPTextModel"),),
}
# Counting numbers that older versions of transformers saved with the weights.
_NO_PARAMETERS = ("position_ids",)
MOST_CONFIG_BYTES = 8 << 20
LARGEST_NUMBER = 1_000_000  # of a config.json; a vocabulary's size is the largest that networks have
MOST_LAYERS = 1000


def load_network(
    network_class: Any, directory: Path, what: str, *, more_allowed: bool = False, **options: Any
) -> Any:
    """Return the network of *network_class* (diffusers' or transformers') whose files are in *directory*.

    what: what an error calls it. more_allowed: whether the files may hold further networks. Raises BundleError.
    """
    _check_config(directory / "config.json")
    try:
        with quiet_libraries():
            network, info = network_class.from_pretrained(
                directory, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
            )
    except Exception as error:  # damaged headers, absurd options: each library has its own errors
        raise BundleError(f"{directory}: not loadable as {what} ({first_line(error)})") from error
    wrong = {
        "lack": sorted(info["missing_keys"]),
        "do not fit": sorted(str(key) for key in info.get("mismatched_keys", ())),
    }
    if not more_allowed:
        unexpected = sorted(info["unexpected_keys"])
        wrong["hold, without a place for it,"] = [
            key for key in unexpected if not key.endswith(_NO_PARAMETERS)
        ]
    for verb, keys in wrong.items():
        if keys:
            raise BundleError(
                f"{directory}: the weights {verb} {len(keys)} parameters of {type(network).__name__}, first {keys[0]}"
            )
    for name, parameter in network.state_dict().items():
        if parameter.is_floating_point() and not bool(parameter.isfinite().all()):
            raise BundleError(
                f"{directory}: the weights hold {name}, which is not all numbers (NaN or infinite)"
            )
    return network


def _check_config(path: Path) -> None:
    """Refuse sizes that no network has, before memory is taken for them."""
    if not path.is_file():
        return  # the library says it better
    if path.stat().st_size > MOST_CONFIG_BYTES:
        raise BundleError(f"{path}: {path.stat().st_size:,} bytes; allowed are {MOST_CONFIG_BYTES:,}")
    try:
        found = [("", json.loads(path.read_text()))]
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not readable as JSON ({first_line(error)})") from error
    while found:
        name, value = found.pop()
        if isinstance(value, dict):
            found.extend((str(key), entry) for key, entry in value.items())
        elif isinstance(value, list):
            found.extend((name, entry) for entry in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            most = MOST_LAYERS if "layers" in name or "blocks" in name else LARGEST_NUMBER
            if abs(value) > most and not name.endswith("token_id"):
                raise BundleError(f"{path}: {name} is {str(value)[:40]}; allowed is at most {most:,}")


def load_processor(processor_class: Any, directory: Path, what: str) -> Any:
    """Return the tokenizer or image processor in *directory*; no code of the bundle runs."""
    try:
        with quiet_libraries():
            return processor_class.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise BundleError(f"{directory}: not loadable as {what} ({first_line(error)})") from error


def pipeline_parts(directory: Path, dtype: Any) -> dict[str, Any]:
    """Return the networks of the inpainting pipeline in *directory*, by name, each checked."""
    import diffusers
    import transformers

    libraries = {"diffusers": diffusers, "transformers": transformers}
    try:
        index = json.loads((directory / "model_index.json").read_text())
        named = {part: tuple(index[part]) for part in PIPELINE_PARTS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{directory}: not loadable as an inpainting pipeline ({first_line(error)})"
        ) from error
    parts = {}
    for part, allowed in PIPELINE_PARTS.items():
        if named[part] not in allowed:
            classes = ", ".join(name for _, name in allowed)
            raise BundleError(
                f"{directory}: model_index.json says {named[part]!r} for {part}; allowed are {classes}"
            )
        library, name = named[part]
        key = "torch_dtype" if library == "diffusers" else "dtype"
        network_class = getattr(libraries[library], name)
        parts[part] = load_network(network_class, directory / part, name, **{key: dtype})
    return parts
