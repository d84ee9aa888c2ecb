"""The micro services of the CGSE framework, which find each other in the registry."""

import pytest
from egse.registry.service import ZMQMicroservice

from clients import endpoints
from waiting import DEADLINE, wait_until


@pytest.fixture
def start_microservice(registry, clients):
    """Starts micro services and stops them at the end."""
    running = []

    async def create(name, kind):
        at = endpoints(registry)
        heartbeats = at.pop("registry_hb_endpoint")
        service = ZMQMicroservice(name, kind, pub_port=0, **at)
        service.registry_client.registry_hb_endpoint = heartbeats
        return service

    def start(name, kind):
        service = clients.loop.run(create(name, kind))
        running.append((service, clients.loop.start(service.start())))
        return service

    yield start
    for service, ended in running:
        clients.loop.run(service.stop())
        ended.result(DEADLINE)


def test_one_micro_service_calls_another_by_its_type(registry, clients, start_microservice):
    caller = start_microservice("Scheduler", "scheduler")
    start_microservice("Camera", "camera")
    customer = clients.synchronous(registry)
    wait_until(lambda: len(customer.list_services()) == 2, "both micro services to register")

    answer = clients.loop.run(caller.call_service("camera", "ping"))

    assert answer["message"] == "pong"
