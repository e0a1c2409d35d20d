"""Why a network isn't at rest. Left out: messages on their way, which the driver knows of, and attempts to connect that must fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from dualhome.bgp.events import State
from dualhome.engine.speaks import Speaks
from dualhome.plan import Carrier

HOPELESS = 3  # refusals, or ends of sessions, in a row, all for the same reason: so it goes on (R81, R87)


class Machine(Protocol):
    """The engine, as far as it is asked here."""

    @property
    def speakers(self) -> Mapping[str, Speaks]:
        """By full name."""
        ...

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of this session arrives at the peer."""
        ...

    def opens(self, speaker: str, peer: str) -> bool:
        """Whether security groups let the speaker open a transport to the peer."""
        ...

    def carrier(self, a: str, b: str) -> Carrier:
        """What carries their session."""
        ...

    def wants(self, speaker: str, peer: str) -> bool:
        """Whether the speaker lives and has this session enabled."""
        ...

    def refusals(self, speaker: str, peer: str) -> int:
        """How many attempts, or sessions, ended in the same way, one after the other."""
        ...


def sides(engine: Machine) -> Iterator[tuple[str, str]]:
    """Both sides of every session, in the plan's order."""
    return ((name, peer) for name, speaker in engine.speakers.items() for peer in speaker.config.peers)


def restless(engine: Machine, speaker: str, peer: str) -> str | None:
    """Why this side of a session isn't at rest: it will come up or go down. None where nothing of it can change."""
    if speaker not in engine.speakers or peer not in engine.speakers[speaker].config.peers:
        return None
    if engine.carrier(speaker, peer) is Carrier.NOWHERE:
        return None
    session = engine.speakers[speaker].session(peer)
    both = ((speaker, peer), (peer, speaker))
    arrive = all(engine.carries(*pair) for pair in both)
    hopeless = max(engine.refusals(*pair) for pair in both) >= HOPELESS
    if session.state is State.ESTABLISHED:
        if not arrive and hopeless:
            return None
        if not arrive:
            return f"packets of {speaker}/{peer} don't arrive: a hold timer will end it" if session.hold_time_s else None
        return None if engine.wants(peer, speaker) else f"{speaker}/{peer} is Established and {peer} doesn't want it any more"
    opens = any(engine.opens(*pair) for pair in both)
    if arrive and opens and not hopeless and all(engine.wants(*pair) for pair in both):
        return f"{speaker}/{peer} is {session.state.value} and may come up"
    return None
