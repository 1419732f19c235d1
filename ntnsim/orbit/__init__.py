"""Where satellites are: constellations, propagation, passes over a site, serving satellite, inter-satellite routes."""
