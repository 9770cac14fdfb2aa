"""Faults in the advice on when to stop labelling."""

from experiments.mutants.fault import Fault

_WORTH = (
    "tests/review/test_stopping.py::"
    "test_it_is_time_to_stop_only_where_even_the_upper_end_of_the_interval_is_not_worth_it"
)

STOPPING = (
    Fault(
        "without an estimate the advice is to stop",
        "review/stopping.py",
        'found.get("high", WORTH) < WORTH',
        'found.get("high", 0.0) < WORTH',
        _WORTH,
    ),
    Fault(
        "the expected gain alone decides when to stop, however uncertain it is",
        "review/stopping.py",
        'found.get("high", WORTH) < WORTH',
        'found.get("gain", WORTH) < WORTH',
        _WORTH,
    ),
)
