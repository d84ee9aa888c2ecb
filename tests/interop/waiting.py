"""Waiting for a condition, with a deadline."""

import time

DEADLINE = 15
"""Seconds: long for a slow machine, since a test that passes never waits for it."""

PAUSE = 0.05
"""Seconds between two looks at a condition."""


def wait_until(condition, expectation, deadline=DEADLINE):
    """Waits until `condition()` is true and returns its value."""
    give_up_at = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < give_up_at, f"waited {deadline} s in vain for {expectation}"
        time.sleep(PAUSE)
    return value
