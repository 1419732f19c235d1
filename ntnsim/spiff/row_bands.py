"""A large picture in bands of rows: what is worked out of a band takes a band's memory, not the picture's."""

BAND_ROWS = 256


def row_bands(height_px: int) -> list[slice]:
    """Return the bands that cover *height_px* rows, from the top."""
    return [slice(top, min(top + BAND_ROWS, height_px)) for top in range(0, height_px, BAND_ROWS)]
