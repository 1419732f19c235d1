"""What a run leaves behind: records, summary, provenance, pictures. ``load(DIR…)`` reads the records with pandas."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ntnsim.results.read import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import :func:`ntnsim.results.read.load`, and with it pandas, only when it is asked for."""
    if name == "load":
        from ntnsim.results.read import load

        return load
    raise AttributeError(f"module 'ntnsim.results' has no attribute {name!r}")
