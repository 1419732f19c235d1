"""``python -m ntnsim``: the command line."""

from ntnsim.cli import main

if __name__ == "__main__":
    main()
