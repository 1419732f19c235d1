"""What the rooms of the house promise each other; no torch, no SimPy."""
