"""Lets ``python -m lab`` run the command."""

from lab.cli import main

if __name__ == "__main__":
    main()
