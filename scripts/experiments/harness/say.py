"""Tell what goes on while a measurement runs."""

import sys
import time


def say(text: str) -> None:
    """One line with the time, on the standard error: the standard output is for the table."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
