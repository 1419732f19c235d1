"""What the files of a run, and of a sweep, are called."""

RECORDS = "records"  # a directory of part-*.parquet
WALL_TIME = "wall_time.parquet"
TIMELINE = "timeline.parquet"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
GROUND_TRACK = "ground_track.json"
IMAGES = "images"  # a directory of sampled photographs and their index
IMAGES_INDEX = "images/index.csv"
ENGINES = "engines"  # engines/SCHEME holds what a learning policy had learned when the run ended

SWEEP = "sweep.json"
CELLS = "cells"  # cells/DIGEST is a run
