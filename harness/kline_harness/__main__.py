"""The command, as ``python -m kline_harness``."""

from kline_harness.cli import main

if __name__ == "__main__":
    main()
