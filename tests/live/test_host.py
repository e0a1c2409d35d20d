"""Speakers without a network around them, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dualhome.bgp.config import OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.events import State
from dualhome.bgp.policy import PeerPolicy
from dualhome.live.host import SpeakerHost
from dualhome.live.sockets import Endpoint
from dualhome.net import Address, Prefix
from dualhome.plan.azure import ROUTER_ROUNDS

pytestmark = pytest.mark.live

ADDRESSES = {"a": "127.0.0.21", "b": "127.0.0.22"}
ASNS = {"a": 65001, "b": 65002}


def config(name: str, prefixes: int) -> SpeakerConfig:
    far = "b" if name == "a" else "a"
    session = SessionConfig(
        peer=far,
        local_asn=ASNS[name],
        remote_asn=ASNS[far],
        router_id=ADDRESSES[name],
        local_address=Address.parse(ADDRESSES[name]),
        remote_address=Address.parse(ADDRESSES[far]),
    )
    policy = PeerPolicy(name=far, asn=ASNS[far], ebgp=True, local_address=ADDRESSES[name], peer_address=ADDRESSES[far], tags=(far,))
    origins = [
        OriginConfig(prefix=Prefix.parse(f"10.{i >> 8}.{i & 255}.0/24"), next_hop=session.local_address, communities=(f"1:{i}",))
        for i in range(prefixes)
    ]
    return SpeakerConfig(
        name=name,
        asn=ASNS[name],
        router_id=ADDRESSES[name],
        rounds=ROUTER_ROUNDS,
        peers={far: PeerConfig(session=session, policy=policy)},
        origins={origin.prefix: origin for origin in origins},
    )


async def until(true: Callable[[], bool], limit_s: float = 10) -> None:
    end = asyncio.get_running_loop().time() + limit_s
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.005)


def test_two_speakers_tell_each_other_all_they_have() -> None:
    """40,000 routes leave in far more bytes than a connection holds, and all arrive; then a says goodbye."""

    async def main() -> None:
        ports: dict[str, int] = {}
        lines: list[str] = []
        host = SpeakerHost(
            endpoint=lambda speaker, peer: Endpoint(
                local=Address.parse(ADDRESSES[speaker]), remote=Address.parse(ADDRESSES[peer]), port=ports[peer]
            ),
            who=lambda speaker, remote, device: next(
                (name for name, address in ADDRESSES.items() if address == str(remote) and name != speaker), None
            ),
            journal=lambda speaker, line: lines.append(f"{speaker} {line.kind}: {line.text}"),
        )
        for name, prefixes in (("a", 40_000), ("b", 3)):
            host.add(config(name, prefixes))
            ports[name] = host.transports.listen(name, None, Address.parse(ADDRESSES[name]), 0)
        host.start("a")
        host.start("b")
        a, b = host.speakers["a"], host.speakers["b"]
        await until(lambda: a.session("b").state is b.session("a").state is State.ESTABLISHED)
        await until(lambda: host.transports.in_flight() == 0 and len(b.learned("a")) == 40_000, 30)
        assert len(a.learned("b")) == 3
        host.reconfigure(config("a", 10))
        await until(lambda: len(b.learned("a")) == 10)
        assert b.session("a").state is State.ESTABLISHED
        host.remove("a")
        await until(lambda: b.session("a").state is not State.ESTABLISHED)
        assert "b notification: received Cease, Administrative Shutdown (6/2): administrative shutdown" in lines
        await host.end()

    asyncio.run(main())
