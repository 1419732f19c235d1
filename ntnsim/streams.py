"""Random streams: one independent generator per named entity.

A stream is found by its name, not by the order of creation, so that adding an entity or changing a policy leaves
every other entity's draws alone (common random numbers across schemes and sweep points).
"""

from hashlib import blake2b

import numpy as np


def seed_sequence(seed: int, *path: str) -> np.random.SeedSequence:
    """Return the seed sequence of the entity at *path*: NumPy's spawn, keyed by name instead of order."""
    # 64 bits of a real hash per part: two names of one scenario never collide in practice.
    key = tuple(int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "little") for part in path)
    return np.random.SeedSequence(seed, spawn_key=key)


def stream(seed: int, *path: str) -> np.random.Generator:
    """Return the generator owned by the entity at *path*."""
    return np.random.default_rng(seed_sequence(seed, *path))


def integer_seed(seed: int, *path: str) -> int:
    """Return a 32-bit seed for libraries that take an integer (a torch generator, a codec's tile choice)."""
    return int(seed_sequence(seed, *path).generate_state(1)[0])
