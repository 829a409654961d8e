"""What stands in the way of the nemesis itself, because it broke it, is waited for; what fails then is said by name."""

import asyncio
import subprocess
from types import SimpleNamespace

import httpx
import pytest

from infra.local.workers import Kind as Service
from tests.reliability.nemesis import nemesis
from tests.reliability.nemesis.nemesis import Nemesis
from tests.reliability.nemesis.schedule import Fault, Kind

LASTING_SECONDS, PATIENT_SECONDS, LOOK_SECONDS = 0.4, 0.1, 0.01


class Worker:
    """Ready when `is_well` says so."""

    def __init__(self, is_well):
        self._is_well = is_well
        self.signals = []

    def signal(self, number):
        self.signals.append(number)

    async def ended(self, _):
        assert self.signals

    def launch(self):
        pass

    def alive(self):
        return True

    async def ready(self, within_seconds):
        await asyncio.sleep(0 if self._is_well() else within_seconds)
        assert self._is_well(), "not ready"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(nemesis, "ROLLED_SECONDS", PATIENT_SECONDS)
    monkeypatch.setattr(nemesis, "LOOK_SECONDS", LOOK_SECONDS)


def places_of(room):
    workers = {Service.ROOM: [room], Service.GATEWAY: [Worker(lambda: True)], Service.HISTORY: [Worker(lambda: True)]}
    return SimpleNamespace(services=workers.get)


def leaf_of(group):
    (only,) = group.exceptions
    return leaf_of(only) if isinstance(only, ExceptionGroup) else only


async def test_a_restarted_worker_may_wait_for_what_else_is_broken():
    broken = Nemesis(places_of(Worker(lambda: any(done.fault.kind is Kind.STOP_HISTORY for done in broken.done))))
    await broken.carry_out(
        [Fault(0.0, Kind.STOP_HISTORY, 0, LASTING_SECONDS, 0.0), Fault(0.05, Kind.ROLL, 0, 0.0, 0.0)]
    )
    assert {done.fault.kind for done in broken.done} == {Kind.STOP_HISTORY, Kind.ROLL}


async def test_a_restarted_worker_that_is_not_ready_though_all_else_is_well_is_named():
    with pytest.raises(ExceptionGroup) as failed:
        await Nemesis(places_of(Worker(lambda: False))).carry_out([Fault(0.0, Kind.ROLL, 0, 0.0, 0.0)])
    assert str(leaf_of(failed.value)).startswith("room 1 was restarted and is not ready again: not ready")


async def test_what_the_broker_is_told_is_said_again_until_it_hears():
    ends = iter([httpx.ConnectError("down"), subprocess.CalledProcessError(1, "rabbitmqctl"), OSError("away")])

    def deed():
        for end in ends:
            raise end
        return "heard"

    assert await nemesis._insist("it is told", deed) == "heard"


async def test_what_the_broker_never_hears_is_said_by_its_name(monkeypatch):
    monkeypatch.setattr(nemesis, "PATIENCE_SECONDS", PATIENT_SECONDS)

    def deed():
        raise httpx.ConnectError("down")

    with pytest.raises(AssertionError, match=r"the policy is dropped: not within 0.1 seconds .*ConnectError"):
        await nemesis._insist("the policy is dropped", deed)
