"""Recipes of the embedded `tiny` bundle: one module per network, each ``python -m training.NAME --minutes …``.

Every recipe is seeded, writes checkpoints it can resume from, and logs one line per report. The photographs are an
argument (default ``$NTNSIM_DATA``); none of them is stored here, only the weights they led to.
"""
