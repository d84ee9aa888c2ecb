"""What the heartbeats of running clients show."""

from waiting import wait_until


def expect_steady_heartbeats(customer, ttl, caplog):
    """Waits for a heartbeat of every service, and then for more, beyond `ttl`, without a refusal.

    The first may fail: it may have been sent while there was no registry to answer it. That an
    answer is late, as on a busy machine, is no refusal.
    """
    wait_for_heartbeats(customer, 1)
    caplog.clear()

    wait_for_heartbeats(customer, ttl + 1)

    assert [message for message in caplog.messages if tells_of_refusal(message)] == []
    assert {service["health"] for service in customer.list_services()} == {"passing"}


def tells_of_refusal(message):
    """Whether a client logs that its heartbeat was answered by a refusal."""
    is_late = "timed out" in message or "not responding" in message
    return message.startswith("Heartbeat failed: ") and not is_late


def wait_for_heartbeats(customer, seconds):
    """Waits until every service was heard `seconds` after any was heard so far."""
    heard_at = max(service["last_heartbeat"] for service in customer.list_services())
    wait_until(
        lambda: all(
            service["last_heartbeat"] >= heard_at + seconds for service in customer.list_services()
        ),
        f"heartbeats of all services for {seconds} s",
    )
