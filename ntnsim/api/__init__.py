"""What ``import ntnsim`` offers, one module per subject; the command line calls the same functions."""
