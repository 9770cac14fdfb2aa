"""What tests of endless streams of crops share."""

from __future__ import annotations

import itertools
import threading

import pytest


def first_of(iterable, count):
    iterator = iter(iterable)
    try:
        return list(itertools.islice(iterator, count))
    finally:
        iterator.close()


@pytest.fixture(scope="session")
def take():
    """Callable (iterable, count): its first items; what makes them is closed."""
    return first_of


@pytest.fixture(scope="session")
def reading_threads():
    """Callable: threads that loaders started and that still live."""
    names = "read-ahead", "enqueue_values"
    return lambda: [thread for thread in threading.enumerate() if any(name in thread.name for name in names)]
