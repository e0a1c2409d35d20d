"""The process that runs one live network: reads what to run on standard input, says how far it is on a pipe, then answers on its socket until it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dualhome.app.questions import Questions, prefix_of
from dualhome.engine import events
from dualhome.errors import DualhomeError, RequestError
from dualhome.live.control import serve, unpack
from dualhome.live.network import LiveNetwork, Options
from dualhome.live.place import Place
from dualhome.plan import make_plan
from dualhome.topology import Topology
from dualhome.units import as_seconds

LOG: Final = logging.getLogger("dualhome.live")


class Served(Questions):
    """The network that this process runs. Methods named in `ANSWERS` are what its socket answers."""

    def __init__(self, topology: Topology, network: LiveNetwork) -> None:
        super().__init__(topology, network.engine.plan, network.engine)
        self._live = network
        self.ending = asyncio.Event()

    async def answer(self, method: str, arguments: tuple[Any, ...]) -> Any:
        """What the socket asks; RequestError for what it may not."""
        if method not in ANSWERS:
            raise RequestError(f"no such question: {method!r}")
        found = getattr(self, method)(*arguments)
        return await found if asyncio.iscoroutine(found) else found

    # --- doing things to it ---

    async def settle(self, within_s: float) -> float:
        """Wait until it is at rest."""
        start_s = self.get_now_s()
        await self._live.settle(within_s)
        return self.get_now_s() - start_s

    def unsettled(self) -> str | None:
        """What may still change."""
        return self._live.unsettled()

    async def wait(self, seconds_: float) -> None:
        """Let time pass."""
        await self._live.wait(seconds_)

    def fail(self, target: object, how: str = "crash") -> None:
        """Break something."""
        for each in list(self.targets(target, how)):
            self._live.handle(events.Fail(each))

    def restore(self, target: object = "all") -> None:
        """Mend it."""
        if target == "all":
            self._live.handle(events.Restore("all"))
            return
        for each in list(self.targets(target, "crash")):
            self._live.handle(events.Restore(each))

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        """A router announces prefixes."""
        self._live.handle(events.Announce(self.router_named(node), tuple(map(prefix_of, prefixes))))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        """It takes them back."""
        self._live.handle(events.Withdraw(self.router_named(node), tuple(map(prefix_of, prefixes))))

    def change(self, patch: Mapping[str, object]) -> None:
        """The network is another."""
        self.become(self.topology.changed(patch))

    def become(self, topology: Topology) -> None:
        """The network is another, whole."""
        plan = make_plan(topology.network)
        self._live.change(plan)
        self.topology, self.plan = topology, plan

    def watch(self, source: str, destination: str, flows: int) -> None:
        """Send probes from now on."""
        self._live.watch(source, destination, flows)

    def outage(self, source: str, destination: str) -> float:
        """The longest gap."""
        return self._live.outage(source, destination)

    def shutdown(self) -> None:
        """End."""
        self.ending.set()

    # --- asking it ---

    def get_network(self) -> object:
        """The model."""
        return self.network

    def get_topology(self) -> Topology:
        """The file."""
        return self.topology

    def get_now_s(self) -> float:
        """Its time."""
        return as_seconds(self._live.now)

    def get_journal(self) -> list[object]:
        """What happened."""
        return list(self.journal)

    def audit(self) -> list[str]:
        """Where kernels are otherwise than they should be."""
        return self._live.audit()

    def nodes(self) -> dict[str, str]:
        """Namespaces."""
        return {name: str(self._live.place.namespace(name)) for name, node in self._live.layout.nodes.items() if not node.external}

    def status(self) -> dict[str, Any]:
        """What `dualhome status` shows."""
        return self._live.status() | {"name": self._live.place.name, "file": self.topology.file, "unsettled": self.unsettled()}


ANSWERS: Final = frozenset(
    (
        *("settle", "unsettled", "wait", "fail", "restore", "announce", "withdraw", "change", "become", "watch", "outage", "shutdown"),
        *("get_network", "get_topology", "get_now_s", "get_journal", "nodes", "status", "audit"),
        *("sessions", "session_states", "speakers", "effective_routes", "learned", "advertised", "rejected", "table", "paths", "trace"),
        *("why", "why_session", "check"),
    )
)


async def run(order: Mapping[str, Any], say: Any) -> None:
    """Bring it up, answer until it shall end, say goodbye."""
    place = Place(order["name"])
    topology: Topology = order["topology"]
    options = order["options"]
    network = LiveNetwork(
        make_plan(topology.network),
        place,
        Options(
            speed=options["speed"],
            seed=options["seed"],
            directory=Path(order["directory"]),
            tunnels=options["tunnels"],
            isolate=options["isolate"],
        ),
    )
    served = Served(topology, network)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, served.ending.set)
    place.write_state({"name": place.name, "file": topology.file, "pid": os.getpid(), "options": options})
    network.build(lambda *progress: say(progress=progress))
    network.start(lambda *progress: say(progress=progress))
    server = await serve(place.control, served.answer)
    say(ready=True)
    try:
        await served.ending.wait()
    finally:
        server.close()
        await network.close()


def main() -> None:
    """`python -m dualhome.app.daemon FD`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    order = unpack(sys.stdin.buffer.read()[4:])
    pipe = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    os.set_inheritable(pipe.fileno(), False)

    def say(**what: object) -> None:
        if not pipe.closed:
            try:
                print(json.dumps(what), file=pipe, flush=True)
            except BrokenPipeError:
                sys.exit(1)  # nobody waits for this network any more
            if "ready" in what:
                pipe.close()

    try:
        asyncio.run(run(order, say))
    except (DualhomeError, OSError) as error:
        told = f"{error.filename or 'the system refused'}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        LOG.error("%s", told)
        say(refused=told)
        sys.exit(1)


if __name__ == "__main__":
    main()
