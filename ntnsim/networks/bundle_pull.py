"""Fetch a bundle's members from the hub: the only code of ntnsim that downloads anything, and only when asked to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ntnsim.errors import BundleError, first_line
from ntnsim.networks.bundle import Bundle, Member, write_manifest


@contextmanager
def _online() -> Iterator[None]:
    """Lift the offline mode that ``bundle.py`` sets, for the time of a pull."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = False
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def pull(bundle: Bundle, directory: Path, *, say: Callable[[str], None]) -> Path:
    """Fetch every member of *bundle* into *directory* and seal it; returns the manifest written.

    Each member's revision is replaced by the commit it stood for, so that the sealed manifest is reproducible, and
    pickled weights by safetensors.
    """
    members = []
    for member in bundle.members.values():
        if not member.hub_id:
            raise BundleError(f"bundle {bundle.name}: {member.name} has no hub repository to pull from")
        say(f"{member.name}: {member.hub_id} at {member.revision}")
        members.append(_pulled(member, directory / member.name))
    return write_manifest(directory, bundle.description, members)


def _pulled(member: Member, directory: Path) -> Member:
    from huggingface_hub import HfApi, snapshot_download

    try:
        with _online():
            commit = HfApi().model_info(member.hub_id, revision=member.revision, timeout=20.0).sha
            snapshot_download(
                member.hub_id, revision=commit, local_dir=directory, allow_patterns=list(member.allow) or None
            )
    except Exception as error:  # whatever the network, the hub or the disk said, the pull has failed
        raise BundleError(f"cannot pull {member.hub_id} at {member.revision}: {first_line(error)}") from error
    for pickled in sorted(directory.rglob("*.bin")):
        _as_safetensors(pickled)
    return Member(
        member.name, member.kind, member.hub_id, commit or member.revision, member.allow, member.options
    )


def _as_safetensors(pickled: Path) -> None:
    """Replace the pickled weights of a repository that has no others by a safetensors file: a bundle keeps no pickle.

    Reading is limited to tensors, so that nothing in the file is ever executed.
    """
    import torch
    from safetensors.torch import save_file

    target = pickled.with_name(pickled.name.replace("pytorch_model", "model")).with_suffix(".safetensors")
    if not target.exists():
        try:
            state = torch.load(pickled, map_location="cpu", weights_only=True)
            tensors = {name: tensor.clone().contiguous() for name, tensor in state.items()}
        except Exception as error:  # unpickling has no error of its own
            raise BundleError(f"{pickled}: not readable as weights ({first_line(error)})") from error
        save_file(tensors, target, metadata={"format": "pt"})
    pickled.unlink()
