"""``python -m ezlogs.cli``: the `ezlogs` command."""

from ezlogs.cli import main

if __name__ == "__main__":
    main()
