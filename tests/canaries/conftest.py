"""The servers and the folder that these tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from alerter.simulator.api import SimulatorKeys
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from tests.canaries.echoes import Echo, echoing
from tests.canaries.runs import Home, a_home
from tests.canaries.secrets import KEYS, Ports


@pytest.fixture(scope="module")
def echo() -> Echo:
    """How the servers of a module answer; each test says it anew."""
    return Echo()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whom alerter trusts."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ports(echo: Echo, authority: trustme.CA) -> Iterator[Ports]:
    """Servers that repeat what they are sent, in place of everything that alerter talks to."""
    with echoing(echo, authority, trustme.CA()) as ports:
        yield ports


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A Mimecast that knows the marked keys, and holds something."""
    keys = SimulatorKeys(**{key.name: key.text for key in KEYS})
    scenario = Scenario(lambda _: {"Spam": 12})
    with Simulator(clock=lambda: datetime.now(UTC), scenario=scenario, keys=keys) as simulator:  # noqa: TID251 - as real as alerter's
        yield simulator


@pytest.fixture(scope="module")
def real_ports(ports: Ports, simulator: Simulator) -> Ports:
    """The same with the simulator in place of the Mimecast that repeats everything."""
    return replace(ports, mimecast=urlsplit(simulator.base_url).port or 0)


@pytest.fixture
def home(tmp_path: Path, echo: Echo, ports: Ports, authority: trustme.CA) -> Iterator[Home]:
    """A folder of its own for a test, among servers that repeat everything."""
    echo.write, echo.status, echo.is_granting, echo.is_proxy_shut = None, 403, True, False
    echo.bodies.clear()
    with a_new_home(tmp_path, ports, authority) as home:
        yield home


@contextmanager
def a_new_home(folder: Path, ports: Ports, authority: trustme.CA) -> Iterator[Home]:
    """Yield a folder that trusts an authority, below another one."""
    (folder / "home").mkdir()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    home = a_home(folder / "home", ports, folder / "authority.pem")
    yield home
    home.close()
