"""Names of an entity's copies: ``count: 3`` makes NAME-0, NAME-1 and NAME-2."""


def copy_names(name: str, count: int) -> list[str]:
    """Return the names of *count* copies of the entity called *name*; one copy keeps the name as it is."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(count)]
