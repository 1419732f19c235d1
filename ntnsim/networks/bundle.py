"""Model bundles: a directory of networks in the libraries' formats, with a manifest that names and seals its files.

``manifest.json`` (written by the recipes or by ``ntnsim models pull``) lists every file with size and SHA-256; a
``manifest.yaml`` without files only says which hub repositories a bundle is made of (``paper``). Nothing here touches
the network: what is not in the directory is an error that says so.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ntnsim.errors import BundleError, first_line, on_one_line
from ntnsim.given import path_given
from ntnsim.networks.member_options import check_options

# Set before any of the hub's libraries is imported: the bundle is all there is.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

MANIFEST_FORMAT = 1
MANIFEST_NAMES = ("manifest.json", "manifest.yaml")
MODELS_VARIABLE = "NTNSIM_MODELS"
READ_BYTES = 1 << 20
# Files that run when they are read: Python, and weights in pickle's format.
CODE_SUFFIXES = (".py", ".pyc", ".so", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a bundle.

    kind: how it is loaded ("one-step-residual", "stable-diffusion-inpaint", "semantic-segmentation", "grounded-sam",
        "blip").
    hub_id, revision: where it comes from, empty for a network trained here.
    allow: file patterns that a pull fetches. options: what the loader needs beside the files.
    """

    name: str
    kind: str
    hub_id: str = ""
    revision: str = ""
    allow: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileSeal:
    """Size and SHA-256 of one file, by its path relative to the bundle's directory."""

    path: str
    size_bytes: int
    sha256: str


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of the file at *path* in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def seal_directory(directory: Path) -> list[FileSeal]:
    """Return the seals of all members' files under *directory*: everything in its subdirectories."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.parent != directory)
    return [
        FileSeal(path.relative_to(directory).as_posix(), path.stat().st_size, file_sha256(path))
        for path in files
        if ".cache" not in path.parts
    ]


def write_manifest(directory: Path, description: str, members: list[Member]) -> Path:
    """Seal *directory* as it stands and write its manifest.json."""
    entries: dict[str, Any] = {}
    for member in members:
        entry: dict[str, Any] = {"kind": member.kind}
        for name in ("hub_id", "revision", "allow", "options"):
            value = getattr(member, name)
            if value:
                entry[name] = list(value) if isinstance(value, tuple) else value
        entries[member.name] = entry
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": directory.name,
        "description": description,
        "members": entries,
        "files": {seal.path: [seal.size_bytes, seal.sha256] for seal in seal_directory(directory)},
    }
    path = directory / MANIFEST_NAMES[0]
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    return path


class Bundle:
    """An opened bundle: its members and their sealed files. ``load.py`` makes networks of them."""

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        self.directory = directory
        try:
            self.name = str(manifest["name"])
            self.description = str(manifest.get("description", "")).strip()
            self.members = {name: _member(name, entry) for name, entry in manifest["members"].items()}
            self.files = [
                FileSeal(path, int(size), str(sha)) for path, (size, sha) in manifest.get("files", {}).items()
            ]
            for seal in self.files:
                if not _lies_within(directory, seal.path):
                    raise ValueError(f"{seal.path!r} leads out of the bundle")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            problem = on_one_line(repr(error))
            raise BundleError(f"{directory}: the manifest is not well formed ({problem})") from error
        if manifest.get("format") != MANIFEST_FORMAT:
            found = on_one_line(repr(manifest.get("format")), 60)
            raise BundleError(f"{directory}: manifest format {found}; this version reads {MANIFEST_FORMAT}")
        sealed = json.dumps(manifest, sort_keys=True).encode()
        self.digest = hashlib.sha256(sealed).hexdigest()
        self._verified: set[str] = set()

    def __repr__(self) -> str:
        return f"<Bundle {self.name!r}: {', '.join(self.members)}>"

    @property
    def size_bytes(self) -> int:
        """Size of all sealed files."""
        return sum(seal.size_bytes for seal in self.files)

    def missing(self, member: str = "") -> list[str]:
        """Return what the directory lacks: sealed files that are absent or of another size, members without files."""
        lacking = [
            seal.path
            for seal in self.files
            if seal.path.startswith(f"{member}/" if member else "")
            and not _has_size(self.directory / seal.path, seal.size_bytes)
        ]
        sealed = {seal.path.split("/")[0] for seal in self.files}
        names = [member] if member else list(self.members)
        return lacking + [f"{name}/" for name in names if name not in sealed]

    def verify(self, member: str = "") -> None:
        """Raise BundleError unless every sealed file (of *member*) is present with its digest."""
        lacking = self.missing(member)
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            hint = f"; fetch it with: ntnsim models pull {self.name}" if self._is_remote(member) else ""
            raise BundleError(f"bundle {self.name} in {self.directory} lacks {lacking[0]}{more}{hint}")
        for seal in self.files:
            if seal.path.startswith(f"{member}/" if member else ""):
                found = file_sha256(self.directory / seal.path)
                if found != seal.sha256:
                    raise BundleError(
                        f"bundle {self.name} in {self.directory}: {seal.path} is damaged "
                        f"(SHA-256 {found[:12]}…, the manifest says {seal.sha256[:12]}…)"
                    )
        for name in [member] if member else list(self.members):
            self._check_files_of(name)
        self._verified.add(member)

    def _check_files_of(self, member: str) -> None:
        """Refuse a member with files that nothing seals, with code, or without weights that can be loaded."""
        where = f"bundle {self.name} in {self.directory}"
        sealed = {seal.path for seal in self.files if seal.path.startswith(f"{member}/")}
        for path in sorted((self.directory / member).rglob("*")):
            name = path.relative_to(self.directory).as_posix()
            if path.is_file() and ".cache" not in path.parts and name not in sealed:
                raise BundleError(
                    f"{where}: {name} lies there and the manifest does not seal it; move it away"
                )
        for name in sorted(sealed):
            if name.endswith(CODE_SUFFIXES):
                raise BundleError(f"{where}: {name} is code or may hold code, which is never run; remove it")
        if not any(name.endswith(".safetensors") for name in sealed):
            raise BundleError(f"{where}: {member} has no weights (*.safetensors)")

    def _is_remote(self, member: str) -> bool:
        chosen = [self.members[member]] if member in self.members else list(self.members.values())
        return any(entry.hub_id for entry in chosen)

    def member(self, name: str) -> tuple[Member, Path]:
        """Return the member *name* and its directory, verified; raise BundleError if the bundle has none."""
        if name not in self.members:
            raise BundleError(
                f"bundle {self.name} in {self.directory} has no {name}; it has {', '.join(self.members)}"
            )
        if name not in self._verified:
            self.verify(name)
            member = self.members[name]
            check_options(f"bundle {self.name} in {self.directory}, {name}", member.kind, member.options)
        return self.members[name], self.directory / name

    @cached_property
    def weights_bytes(self) -> int:
        """Size of the weights alone."""
        return sum(seal.size_bytes for seal in self.files if seal.path.endswith(".safetensors"))


def check_device(device: str) -> None:
    """Refuse a torch device that is no device, or that this machine lacks."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BundleError(f"torch device {device!r} cannot be used ({first_line(error)})") from None


def _lies_within(directory: Path, name: str) -> bool:
    """Return whether *name* is a path below *directory*, wherever its links lead."""
    plain = Path(name)
    if plain.is_absolute() or ".." in plain.parts or "\\" in name:
        return False
    return (directory / name).resolve().is_relative_to(directory.resolve())


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size_bytes
    except OSError:  # a name that no file system takes
        return False


def _member(name: str, entry: Mapping[str, Any]) -> Member:
    unknown = set(entry) - {"kind", "hub_id", "revision", "allow", "options"}
    if unknown:
        raise ValueError(f"member {name} has unknown entries: {', '.join(sorted(unknown))}")
    return Member(
        name=name,
        kind=str(entry["kind"]),
        hub_id=str(entry.get("hub_id", "")),
        revision=str(entry.get("revision", "")),
        allow=tuple(entry.get("allow", ())),
        options=dict(entry.get("options", {})),
    )


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hold back the progress bars and remarks of diffusers and transformers while a network is loaded.

    Nothing is lost: what matters to a user is raised, and AutoencoderTiny's place in the pipeline is intended.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    verbosities = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for library, verbosity in zip(libraries, verbosities, strict=True):
            library.set_verbosity(verbosity)
            library.enable_progress_bar()


def model_roots() -> list[Path]:
    """Return where bundles are looked for: $NTNSIM_MODELS, the repository's models/, the installed package's."""
    package = Path(__file__).resolve().parents[1]
    roots = [package.parent / "models", package / "_models"]
    chosen = os.environ.get(MODELS_VARIABLE)
    return [Path(chosen).expanduser(), *roots] if chosen else roots


def _manifest_in(directory: Path) -> Path | None:
    return next((directory / name for name in MANIFEST_NAMES if (directory / name).is_file()), None)


def find_bundles() -> dict[str, Path]:
    """Return the directories of all bundles that can be opened by name; the first root wins."""
    found: dict[str, Path] = {}
    for root in model_roots():
        for directory in sorted(root.iterdir()) if root.is_dir() else []:
            if directory.is_dir() and _manifest_in(directory):
                found.setdefault(directory.name, directory)
    return found


def open_bundle(name_or_path: str | Path) -> Bundle:
    """Return the bundle of that name, or in that directory, without loading any network.

    A path (anything with a separator, or an existing bundle directory) is taken as it is; a name is looked up among
    the bundles that ship and those in the model directories. `Bundle` says which of its members are ``missing()`` and
    checks their bytes (``verify()``). Raises BundleError, an InputError, where there is none.

    >>> import ntnsim
    >>> bundle = ntnsim.open_bundle("tiny")
    >>> sorted(bundle.members), bundle.missing()
    (['captioner', 'inpainter', 'segmenter'], [])
    """
    given = path_given("bundle", name_or_path, "the name or the directory of a bundle").expanduser()
    if given.is_dir() and _manifest_in(given):
        directory = given
    elif given.is_dir() or len(given.parts) > 1:
        lack = f"lacks {MANIFEST_NAMES[0]}" if given.is_dir() else "does not exist"
        raise BundleError(f"bundle directory {given} {lack}")
    else:
        known = find_bundles()
        if str(name_or_path) not in known:
            looked = ", ".join(str(root) for root in model_roots())
            raise BundleError(
                f"no bundle named {name_or_path!r} under {looked}; there is {', '.join(known) or 'none'}"
            )
        directory = known[str(name_or_path)]
    path = _manifest_in(directory)
    assert path is not None
    return Bundle(directory, read_manifest(path))


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest at *path* (JSON, or YAML by its suffix) as a mapping."""
    try:
        text = path.read_text()
        if path.suffix == ".json":
            manifest = json.loads(text)
        else:
            from ruamel.yaml import YAML

            manifest = YAML(typ="safe").load(text)
    except Exception as error:  # each parser has its own errors; all mean the same to the user
        raise BundleError(f"{path}: cannot be read as a manifest ({first_line(error)})") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{path}: a manifest must be a mapping, this is a {type(manifest).__name__}")
    return manifest
