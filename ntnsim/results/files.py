"""What the files of a run, and of a sweep, are called."""

RECORDS = "records"  # a directory of part-*.parquet
FLOW = "flow"  # sites, delays and satellites of a run of `fidelity: fluid`, which has no records
WALL_TIME = "wall_time.parquet"
TIMELINE = "timeline.parquet"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
SEAL = "seal.json"  # size and digest of every file
GROUND_TRACK = "ground_track.json"
IMAGES = "images"  # a directory of sampled photographs and their index
IMAGES_INDEX = "images/index.csv"
LEARNING = "learning"  # learning/SCHEME.csv: predictions beside deliveries while a policy learned
ENGINES = "engines"  # engines/SCHEME holds what a learning policy had learned when the run ended

WORK = ".ntnsim"  # DIR/.ntnsim: the lock, and results that are not complete yet
SHARDS = f"{WORK}/shards"  # those of a run that are done

SWEEP = "sweep.json"
CELLS = "cells"  # cells/DIGEST is a run
