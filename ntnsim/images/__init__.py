"""The real pipeline behind a simulated image: photographs, outcome store, gallery."""
