"""What a run leaves behind: records, summary, provenance."""
