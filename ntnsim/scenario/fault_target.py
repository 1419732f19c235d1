"""Which names a fault's target means: * stands for any text and ? for one character; all else is itself.

Brackets are part of names (the catalogue writes "STARLINK-11072 [DTC]"), so they are no wildcards.
"""

from fnmatch import fnmatchcase


def means(target: str, name: str) -> bool:
    """Return whether *target* is *name*, or a pattern with * and ? that fits it."""
    return fnmatchcase(name, target.replace("[", "[[]"))
