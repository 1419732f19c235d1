"""The judges: how near a restored image is to the original."""
