"""Waiting for a condition, with a deadline."""

import time

DEADLINE = 60
"""Seconds: long for a slow machine, since a test that passes never waits for it."""

PAUSE = 0.05
"""Seconds between two looks at a condition."""


def wait_until(condition, expectation):
    """Waits until `condition()` is true and returns its value."""
    give_up_at = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < give_up_at, f"waited {DEADLINE} s in vain for {expectation}"
        time.sleep(PAUSE)
    return value
