"""Fixtures: a laboratory host of its own for each test, and clients in it."""

import os
from pathlib import Path

import pytest

# The CGSE framework reads these when it is imported: here for the clients, and in the processes
# that inherit them.
os.environ.update(
    PROJECT="INTEROP",
    SITE_ID="LAB",
    INTEROP_LOCAL_SETTINGS=str(Path(__file__).with_name("python_settings.yaml")),
    CGSE_DOTENV_DISABLED="true",
    LOG_LEVEL="INFO",
)
os.environ.pop("SERVICE_REGISTRY_CONFIG", None)

from clients import Clients  # noqa: E402
from lab import ANY_PORTS, Lab, our_registry  # noqa: E402
from programs import Programs  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--binary", required=True, help="the service-registry binary to test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Shows what the registries and our programs wrote when a test fails."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    if report.failed and "lab" in fixtures:
        for registry in fixtures["lab"].registries:
            if registry.log_path.exists():
                report.sections.append((f"Registry log {registry.log_path.stem}", registry.log()))
    if report.failed and "programs" in fixtures:
        for program in fixtures["programs"].started:
            report.sections.append((f"Output of {program.name}", "\n".join(program.lines())))
    return report


@pytest.fixture
def ours(request):
    """Our registry, to be started in a lab."""
    return our_registry(str(Path(request.config.getoption("--binary")).resolve()))


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def registry(lab, ours):
    """Our registry, running."""
    return lab.start(ours, ports=ANY_PORTS)


@pytest.fixture
def clients(lab):
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture
def programs(request, tmp_path):
    """Our programs, to be started."""
    programs = Programs(request.config.getoption("--binary"), tmp_path)
    yield programs
    programs.close()


@pytest.fixture(params=["synchronous", "asynchronous"])
def connect(clients, request):
    """Connects clients of one kind; the test runs once for each kind."""
    return getattr(clients, request.param)
