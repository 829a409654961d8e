"""The processes of a trace, what happens to them, and how they hear of each other on the control plane."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from schemas.ids import GateId
from tests.traces.gate import Gate
from tests.traces.script import BadStep
from tests.traces.words import plural
from tests.traces.writer import Term, Worker

if TYPE_CHECKING:
    from tests.traces.world import World

HEARTBEAT_SECONDS: Final = 5


class Machines:
    """Gates and workers by name. A gate that is gone stays known: its name never comes back."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._workers: dict[str, Worker] = {}
        self._gates: dict[str, Gate] = {}

    def do(self, step: str) -> bool:
        """Take a step of a machine; False: it is of another kind.

        Raises:
            BadStep: the machine is not there, or cannot do this now.
        """
        for pattern, deed in DEEDS.items():
            if match := re.fullmatch(pattern, step):
                deed(self, **match.groupdict())
                return True
        return False

    def gate(self, name: str) -> Gate:
        """A gate that lives.

        Raises:
            BadStep: there is none of this name.
        """
        if name not in self._gates or not self._gates[name].alive:
            raise BadStep(f"there is no gate {name}")
        return self._gates[name]

    def is_gate(self, name: str) -> bool:
        """The name is one of a gate, alive or not."""
        return name in self._gates

    def alive(self) -> list[Gate]:
        """The gates that live."""
        return [gate for gate in self._gates.values() if gate.alive]

    def tick(self, seconds: float, step_seconds: float) -> None:
        """Time passed: gates are heard of, or are not, and everybody looks at the clock."""
        beats = seconds % HEARTBEAT_SECONDS < step_seconds
        for worker in self._workers.values():
            for gate in self.alive() if beats else ():
                self._hear(worker, gate)
            for lost in worker.gates.expire(seconds):
                worker.term.drop_gate(lost, lost=True)
            worker.term.tick(seconds)
        for gate in self.alive():
            gate.tick(seconds)

    # Gates.

    def start_gate(self, gate: str) -> None:
        """A gate comes up and is heard of."""
        if gate in self._gates:
            raise BadStep(f"a gate's name is new at every start, {gate} is not")
        self._gates[gate] = Gate(gate, self._world)
        for worker in self._workers.values():
            self._hear(worker, self._gates[gate])

    def crash_gate(self, gate: str) -> None:
        """Nobody hears of it again, and that is all anybody knows."""
        self.gate(gate).die()

    def leave_gate(self, gate: str) -> None:
        """It says good-bye."""
        self.gate(gate).die()
        for worker in self._workers.values():
            worker.gates.receive_gone(GateId(gate))
            worker.term.drop_gate(GateId(gate), lost=False)

    def reconnect_gate(self, gate: str) -> None:
        """Its queue is a fresh one."""
        self.gate(gate).reconnect()

    def lose_at_gate(self, gate: str, count: str) -> None:
        """The next deliveries do not arrive."""
        self.gate(gate).losing += int(count)

    def hold_at_gate(self, gate: str, count: str) -> None:
        """The next commands it publishes are late."""
        self.gate(gate).holding += int(count)

    def let_go_at_gate(self, gate: str) -> None:
        """They are on their way."""
        self.gate(gate).let_go()

    # Workers.

    def start_worker(self, worker: str) -> None:
        """A worker stands in line; the first in line is the writer."""
        if worker in self._workers:
            raise BadStep(f"{worker} is there already")
        self._workers[worker] = started = Worker(worker, self._world)
        for gate in self.alive():
            self._hear(started, gate)
        self._world.commands.join(started.term)

    def crash_worker(self, worker: str) -> None:
        """`kill -9`: what it had not sent is lost, what it had not acked comes to the next in line."""
        self._end(self._worker(worker))
        del self._workers[worker]

    def displace_worker(self, worker: str) -> None:
        """The broker closes its channel; the process does not know yet, and stands in line no more."""
        self._end(self._worker(worker))

    def drain_worker(self, worker: str) -> None:
        """It closes its channel with nothing in progress, and stands at the end of the line again."""
        drained = self._worker(worker)
        if not drained.term.is_idle:
            raise BadStep(f"{worker} has something in progress")
        self._end(drained)
        self._join_again(drained)

    def stall_worker(self, worker: str, stage: str) -> None:
        """It stops right before a stage."""
        self._worker(worker).term.stall(stage)

    def go_on_worker(self, worker: str) -> None:
        """It goes on; on a closed channel it only learns that it is closed, and begins anew."""
        going = self._worker(worker)
        going.term.go_on()
        if not going.term.open:
            self._world.say(f"{worker} finds its channel closed, forgets everything and stands in line again")
            self._join_again(going)

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            raise BadStep(f"there is no worker {name}")
        return self._workers[name]

    def _end(self, worker: Worker) -> None:
        if not worker.term.open:
            raise BadStep(f"{worker.name} has no channel")
        worker.term.end()
        returned = self._world.commands.leave(worker.term)
        if returned:
            self._world.say(f"{plural(returned, 'delivery', 'deliveries')} of {worker.name} back in the queue")

    def _join_again(self, worker: Worker) -> None:
        worker.term = Term(worker, self._world)
        self._world.commands.join(worker.term)

    def _hear(self, worker: Worker, gate: Gate) -> None:
        if worker.gates.receive_heartbeat(gate.name, HEARTBEAT_SECONDS, self._world.seconds):
            worker.term.meet_gate(gate.name)


GATE: Final = r"gate (?P<gate>\w+) "
WORKER: Final = r"worker (?P<worker>\w+) "
DEEDS: Final[dict[str, Callable[..., None]]] = {
    GATE + "starts": Machines.start_gate,
    GATE + "crashes": Machines.crash_gate,
    GATE + "leaves": Machines.leave_gate,
    GATE + "reconnects": Machines.reconnect_gate,
    GATE + r"loses (?P<count>\d+) deliver(y|ies)": Machines.lose_at_gate,
    GATE + r"holds back (?P<count>\d+) commands?": Machines.hold_at_gate,
    GATE + "lets go": Machines.let_go_at_gate,
    WORKER + "starts": Machines.start_worker,
    WORKER + "crashes": Machines.crash_worker,
    WORKER + "loses its channel": Machines.displace_worker,
    WORKER + "drains": Machines.drain_worker,
    WORKER + r"stalls before (?P<stage>\S+)": Machines.stall_worker,
    WORKER + "goes on": Machines.go_on_worker,
}
