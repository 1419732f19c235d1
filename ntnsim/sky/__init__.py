"""Orbit and link together: what a terminal can send, and when. Nothing here simulates."""
