"""ntnsim: discrete-event simulation of semantic image delivery over LEO non-terrestrial networks."""

__version__ = "0.1.0"
