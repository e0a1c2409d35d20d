"""The daemon: instances of a route server on real sockets, from a file that may change while sessions stay up."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from dualhome import _core
from dualhome.bgp.events import Action, State
from dualhome.bgp.speaker import Journal, Speaker
from dualhome.errors import RequestError, SystemRefused, TopologyError
from dualhome.live.host import SpeakerHost
from dualhome.live.route_server import control, metrics
from dualhome.live.route_server.answers import Answers
from dualhome.live.route_server.bmp import Monitoring
from dualhome.live.route_server.bmp_station import Station
from dualhome.live.route_server.config import Config, Instance, Kernel, Peer, load
from dualhome.live.route_server.dumps import Dumps
from dualhome.live.route_server.following import Follower
from dualhome.live.route_server.history import History
from dualhome.live.route_server.log import logger
from dualhome.live.route_server.programming import Programming
from dualhome.live.route_server.speakers import peer_config, peers_of, secrets_of, speaker_config
from dualhome.live.route_server.state import EVERY_S, Presence
from dualhome.live.route_server.strangers import Strangers
from dualhome.live.route_server.unit import notify
from dualhome.live.route_server.visitors import Visitors, key_of, recalled, still_welcome
from dualhome.live.sockets import Endpoint, Namespace, raise_file_limit
from dualhome.net import Address

OWN: Final = "/proc/self/ns/net"
PROGRAM_S: Final = 0.2
"""Between two writes to the kernel, so that a burst of changes is one."""
RETRY_S: Final = 5.0
"""After the kernel refused something, or had no way to a next hop."""


class RouteServer:
    """All that runs. `start` listens and begins; `reload` follows the file; `stop` says goodbye."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.log: Any = logger(config.log_format, config.log_level)
        self.started_s = time.time()
        self.changed_s: dict[tuple[str, str], float] = {}
        self.history = History(config.history)
        self.monitoring = Monitoring(config.bmp, self, self.log) if config.bmp else None
        self.dumps = Dumps(config.mrt, self, self.log) if config.mrt is not None else None
        watching = self._watch if self.monitoring is not None or self.dumps is not None else None
        self.host = SpeakerHost(self._endpoint, self._who, self._journal, self._decided, watching)
        self._presence = Presence(config.state) if config.state is not None else None
        self._noting: asyncio.TimerHandle | None = None
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._peers: dict[tuple[str, Address], str] = {}
        self._namespaces: dict[str, Namespace] = {}
        self.programs: dict[str, Programming] = {}  # by instance
        self._followers: dict[str, Follower] = {}
        self._written: dict[str, int] = {}
        self._over: set[tuple[str, str]] = set()  # whose routes beyond the limit were told of
        self._writing: asyncio.TimerHandle | None = None
        self._servers: list[asyncio.Server] = []
        self._answers = Answers(self)
        self._strangers = Strangers(self._tell_stranger, time.monotonic)
        self._visitors = Visitors(self, self._strangers)
        self.host.transports.awaits, self.host.transports.meets = self._visitors.awaits, self._visitors.meets

    @property
    def speakers(self) -> dict[str, Speaker]:
        """By instance."""
        return self.host.speakers

    @property
    def refused(self) -> dict[str, int]:
        """Connections of strangers, by instance."""
        return self.host.transports.refused

    @property
    def turns(self) -> tuple[int, float]:
        """In how many turns routes were decided and sent, and the seconds that they took in all."""
        return self.host.turns, self.host.turns_s

    @property
    def stations(self) -> Sequence[Station]:
        """Connections to collectors."""
        return self.monitoring.stations if self.monitoring is not None else ()

    def queued_bytes(self, instance: str, peer: str) -> int:
        """What was sent to a peer and the kernel has not taken yet."""
        return self.host.transports.unsent_bytes(instance, peer)

    def ends_of(self, transport: int) -> tuple[tuple[Address, int], tuple[Address, int]] | None:
        """Our address and port of a connection, and the peer's; None where it is gone."""
        near, far = self.host.transports.words_of(transport) or ("", "")
        if not near or not far:
            return None
        (a, p), (b, q) = near.split(" "), far.split(" ")
        return (Address.parse(a), int(p)), (Address.parse(b), int(q))

    async def start(self) -> None:
        """Listen, then begin.

        Raises:
            SystemRefused: a port is taken, a namespace isn't there, a privilege is missing.
        """
        restarted = self._recall()
        self._know(self.config)
        self._note(first=True)
        for instance in self.config.instances:
            self.host.transports.secure(instance.name, secrets_of(self.config, instance))
            self._listen(instance)
        if self.config.metrics is not None:
            self._servers.append(await metrics.serve(*self.config.metrics, lambda: metrics.text_of(self)))
        if self.config.control is not None:
            self._servers.append(await control.serve(self.config.control, self._answer))
        for instance in self.config.instances:
            self._begin(instance, instance.name in restarted)
        if self.dumps is not None:
            self.dumps.begin()
        self.log.info("started", file=self.config.file, instances=len(self.config.instances), peers=len(self.config.peers))

    def reload(self) -> Sequence[str]:
        """Read the file anew and follow it; what is wrong with it, and then nothing has changed."""
        try:
            new = load(Path(self.config.file))
        except TopologyError as error:
            said = [str(fault) for fault in error.faults]
            self.log.error("reload refused", faults=said)
            return said
        try:
            for instance in new.instances:
                self._namespace(instance)
        except SystemRefused as error:
            self.log.error("reload refused", faults=[str(error)])
            return [str(error)]
        old = self.config
        fixed = replace(
            new,
            metrics=old.metrics,
            control=old.control,
            log_format=old.log_format,
            kernel=old.kernel,
            bmp=old.bmp,
            mrt=old.mrt,
            state=old.state,
        )
        if fixed != new:
            self.log.warning("reload", text="metrics, control, programming, bmp, mrt, state and the log's format change at the next start")
        before = {each.name: each for each in old.instances}
        after = {each.name: each for each in new.instances}
        for name, each in before.items():
            if name not in after or _place(after[name]) != _place(each):
                self.programs.pop(name, _NOTHING).clear()
                self.host.remove(name)
                if self._presence is not None:
                    self._presence.forget(name)
                if self.monitoring is not None:
                    self.monitoring.forget(name)
        fixed = replace(fixed, peers=(*fixed.peers, *still_welcome(fixed, tuple(each for each in old.peers if each.group))))
        self.config = fixed
        self.log = logger(fixed.log_format, fixed.log_level)
        refused: list[str] = []
        self._know(fixed)
        for name, each in after.items():
            try:
                self.host.transports.secure(name, secrets_of(fixed, each))
            except SystemRefused as error:
                refused.append(str(error))
            if name in self.speakers:
                self.host.reconfigure(speaker_config(fixed, each))
                continue
            try:
                self._listen(each)
                self._begin(each)
            except SystemRefused as error:
                self.host.transports.deafen(name)
                refused.append(str(error))
        self.history.resize(fixed.history)
        if self.monitoring is not None:
            self.monitoring.rejudged()
        self.log.info("reloaded", file=fixed.file, instances=len(fixed.instances), peers=len(fixed.peers), refused=refused)
        return refused

    async def stop(self) -> None:
        """Cease/2 to all, then the end."""
        for server in self._servers:
            server.close()
        for timer in (self._writing, self._noting):
            if timer is not None:
                timer.cancel()
        self._visitors.end()
        await self.host.end()
        if self._presence is not None:
            for instance in self.config.instances:
                self._presence.forget(instance.name)
        for each in (self.monitoring, self.dumps):
            if each is not None:
                await each.end()
        for program in self.programs.values():
            program.clear()
        if self.config.control is not None:
            self.config.control.unlink(missing_ok=True)
        self.log.info("stopped")

    # --- inside -------------------------------------------------------------------------------------------------------

    def _listen(self, instance: Instance) -> None:
        try:
            for address in instance.listen:
                self.host.transports.listen(instance.name, self._namespace(instance), address, instance.port)
        except SystemRefused:
            self.host.transports.deafen(instance.name)
            raise

    def _recall(self) -> set[str]:
        """Whose peers may keep routes for it, as it was there a moment ago; who had come by a range is a peer again."""
        if self._presence is None:
            return set()
        found = {each.name: before for each in self.config.instances if (before := self._presence.before(self.config, each)) is not None}
        visitors = tuple(peer for name, before in found.items() for peer in recalled(self.config, name, before.visitors))
        self.config = replace(self.config, peers=(*self.config.peers, *visitors))
        if visitors:
            self._visitors.watch()
        if found:
            self.log.info("restarted", instances=sorted(found), visitors=len(visitors))
        return set(found)

    def _note(self, first: bool = False) -> None:
        """Write that we are there, again and again."""
        if self._presence is None:
            return
        try:
            self._presence.note(self.config)
        except SystemRefused as error:
            if first:
                raise
            self.log.error("state", text=str(error))
        self._noting = asyncio.get_running_loop().call_later(EVERY_S, self._note)

    def _begin(self, instance: Instance, restarted: bool = False) -> None:
        if self.config.kernel is not None:
            self.programs[instance.name] = self._programming(instance, self.config.kernel, restarted)
            self._followers[instance.name] = Follower(self.programs[instance.name])
            self._written.pop(instance.name, None)
        self.host.add(speaker_config(self.config, instance), restarted)
        if self.monitoring is not None:
            self.monitoring.begin(instance.name)
        self.host.start(instance.name)

    def _programming(self, instance: Instance, where: Kernel, restarted: bool) -> Programming:
        """Where its best paths go: of instances in one namespace each has a metric of its own, the first of the file the least.

        Raises:
            SystemRefused: the kernel doesn't let us look.
        """
        path = _path(instance)
        beside = [self.programs[each.name] for each in self.config.instances if each.name in self.programs and _path(each) == path]
        taken = {program.where.metric for program in beside}
        free = next(metric for metric in count(where.metric) if metric not in taken)
        try:
            program = Programming(_core.Namespace(path), replace(where, metric=free))
            program.adopt() if restarted else program.sweep()
        except OSError as error:
            raise SystemRefused(f"instance {instance.name!r}: routes can't be written: {error}") from error
        return program

    def _know(self, config: Config) -> None:
        """Whom the instances talk to, and how."""
        self._endpoints, self._peers = {}, {}
        self.host.transports.most_new = config.connections
        for instance in config.instances:
            for peer in peers_of(config, instance):
                if not peer.group:
                    self._peers[instance.name, peer.address] = peer.name
                self._endpoints[instance.name, peer.name] = self._way(instance, peer)

    def _way(self, instance: Instance, peer: Peer) -> Endpoint:
        return Endpoint(
            local=next(each for each in instance.listen if each.version == peer.address.version),
            remote=peer.address,
            port=peer.port,
            namespace=self._namespace(instance),
            ttl=peer.ttl,
            hops=peer.hops,
            secret=peer.secret,
            send_hold_s=peer.send_hold_s,
        )

    def _namespace(self, instance: Instance) -> Namespace | None:
        if instance.namespace is None:
            return None
        path = _path(instance)
        try:
            if path not in self._namespaces:
                self._namespaces[path] = _core.Namespace(path)
        except OSError as error:
            raise SystemRefused(f"instance {instance.name!r}: {error.strerror or error}") from error
        return self._namespaces[path]

    def _endpoint(self, instance: str, peer: str) -> Endpoint | None:
        return self._endpoints.get((instance, peer))

    def _who(self, instance: str, remote: Address, _: str | None) -> str | None:
        peer = self._peers.get((instance, remote))
        if peer is None:
            self._strangers.came(instance, str(remote))
        return peer

    # --- what visitors ask ----------------------------------------------------------------------------------------------

    def is_peer(self, instance: str, remote: Address) -> bool:
        """Whether an address is that of a peer which the file names."""
        return (instance, remote) in self._peers

    def take_in(self, peer: Peer) -> None:
        """One more peer of an instance, or one with another AS number."""
        (name,) = peer.instances
        instance = next(each for each in self.config.instances if each.name == name)
        self.config = replace(self.config, peers=(*(each for each in self.config.peers if key_of(each) != key_of(peer)), peer))
        self._endpoints[name, peer.name] = self._way(instance, peer)
        config = self.speakers[name].config
        self.host.reconfigure(replace(config, peers={**config.peers, peer.name: peer_config(self.config, instance, peer)}))

    def let_go(self, gone: Set[tuple[str, str]]) -> None:
        """These peers are peers no more."""
        self.config = replace(self.config, peers=tuple(each for each in self.config.peers if key_of(each) not in gone))
        for instance in dict.fromkeys(instance for instance, _ in gone if instance in self.speakers):
            config = self.speakers[instance].config
            stay = {name: each for name, each in config.peers.items() if (instance, name) not in gone}
            self.host.reconfigure(replace(config, peers=stay))
        for key in gone:
            self._endpoints.pop(key, None)
            self.changed_s.pop(key, None)

    def _tell_stranger(self, instance: str, address: str, others: int) -> None:
        self.log.warning("stranger refused", instance=instance, address=address, **({"others_before": others} if others else {}))

    def _watch(self, instance: str, peer: str, action: Action) -> None:
        for each in (self.monitoring, self.dumps):
            if each is not None:
                each.watch(instance, peer, action)

    def _journal(self, instance: str, line: Journal) -> None:
        now = time.time()
        ended = line.kind == "notification" or line.text.startswith(f"{State.ESTABLISHED.value} ->")
        self.history.note(instance, line.peer, line.kind, line.text, now, error=ended)
        if line.kind == "session":
            self.changed_s[instance, line.peer] = now
        level = (
            self.log.warning if line.kind == "notification" else self.log.info if State.ESTABLISHED.value in line.text else self.log.debug
        )
        level(line.kind, instance=instance, peer=line.peer, text=line.text)

    def _answer(self, request: Mapping[str, Any]) -> Any:
        if request.get("ask") == "reload":
            if wrong := self.reload():
                raise RequestError("\n".join(wrong))
            return "reloaded"
        return self._answers.of(request)

    # --- the kernel -----------------------------------------------------------------------------------------------------

    def _decided(self, instances: Sequence[str]) -> None:
        if self.monitoring is not None:
            self.monitoring.decided()
        for peer in self.config.peers:
            if peer.over_limit != "teardown":
                self._watch_limit(peer, instances)
        if self.programs:
            self._later(PROGRAM_S)

    def _later(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._writing is not None and self._writing.when() <= loop.time() + delay_s:
            return
        if self._writing is not None:
            self._writing.cancel()
        self._writing = loop.call_later(delay_s, self._program)

    def _watch_limit(self, peer: Peer, instances: Sequence[str]) -> None:
        """Say once in a session that a peer announces more than it may."""
        for name in instances:
            if name not in self.speakers or peer.name not in self.speakers[name].config.peers:
                continue
            over = self.speakers[name].rib.over_limit(self.speakers[name].peer_number(peer.name))
            if over and (name, peer.name) not in self._over:
                what = "dropped" if peer.over_limit == "drop" else "let in nevertheless"
                self.history.note(name, peer.name, "limit", f"more than {peer.max_routes} routes: what is beyond is {what}", time.time())
                self.log.warning("max_routes", instance=name, peer=peer.name, limit=peer.max_routes, text=f"what is beyond it is {what}")
            (self._over.add if over else self._over.discard)((name, peer.name))

    def _program(self) -> None:
        self._writing = None
        for name, program in self.programs.items():
            rib = self.speakers[name].rib
            if self._written.get(name) == rib.version() or self.speakers[name].restarting:
                continue
            try:
                writes = self._followers[name].follow(rib)
            except (SystemRefused, OSError) as error:
                self.log.error("programming", instance=name, text=str(error))
                self._later(RETRY_S)
                continue
            if program.unresolved:
                self._later(RETRY_S)
            else:
                self._written[name] = rib.version()
            self.log.debug("programming", instance=name, writes=writes, unresolved=program.unresolved)


class _Nothing:
    """Stands for programming that there isn't."""

    def clear(self) -> None:
        """Nothing."""


_NOTHING: Final = _Nothing()


def _place(instance: Instance) -> tuple[object, ...]:
    """What of an instance needs other sockets."""
    return instance.listen, instance.port, instance.namespace


def _path(instance: Instance) -> str:
    named = instance.namespace
    return OWN if named is None else named if "/" in named else f"/run/netns/{named}"


async def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads the file anew.

    Raises:
        SystemRefused: it can't start.
    """
    raise_file_limit()
    server = RouteServer(config)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        await server.start()
    except SystemRefused:
        server.host.close()
        raise
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, server)
    notify(f"READY=1\nMAINPID={os.getpid()}")
    await ended.wait()
    notify("STOPPING=1")
    await server.stop()


def _reload(server: RouteServer) -> None:
    notify("RELOADING=1")
    server.reload()
    notify("READY=1")
