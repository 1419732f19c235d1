"""Where things are: constellations, propagation, visibility and passes."""
