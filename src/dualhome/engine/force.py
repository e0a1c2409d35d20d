"""What is in force of the plan: what failures, standby instances, announcements, conditions and memory make of each speaker's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dualhome.bgp.config import OriginConfig, PeerConfig, SpeakerConfig
from dualhome.engine.faults import Faults
from dualhome.engine.memory import Memory
from dualhome.engine.standby import Standby
from dualhome.net import Address, Prefix
from dualhome.plan import Conditional, Plan
from dualhome.plan.wiring import router_address


class InForce:
    """Configurations as speakers get them. Announcements and withdrawals by hand outlive changes of the plan."""

    def __init__(self, plan: Plan, faults: Faults, standby: Standby, memory: Memory) -> None:
        self._plan, self._faults, self._standby, self._memory = plan, faults, standby, memory
        self._by_hand: dict[str, dict[Prefix, bool]] = {}
        self._unreached = {_key(each): None for each in plan.conditions}

    def change(self, plan: Plan) -> None:
        """Another plan: a new condition counts as unmet until it is judged."""
        before = {_key(each) for each in self._plan.conditions}
        self._plan = plan
        self._unreached = {k: None for each in plan.conditions if (k := _key(each)) in self._unreached or k not in before}

    def announce(self, node: str, prefixes: Sequence[Prefix], announced: bool) -> None:
        """A router announces these from now on, or takes them back."""
        self._by_hand.setdefault(node, {}).update(dict.fromkeys(prefixes, announced))

    def judge(self, condition: Conditional, reached: bool) -> bool:
        """Whether the host of a condition is reached (R162); True where that is news."""
        key = _key(condition)
        if reached == (key not in self._unreached):
            return False
        if reached:
            del self._unreached[key]
        else:
            self._unreached[key] = None
        return True

    def config(self, speaker: str) -> SpeakerConfig:
        """As it is in force now; the plan's own object where nothing differs."""
        config = self._memory.config(speaker, self._plan.speakers[speaker].config)
        peers = {
            peer: replace(each, enabled=not each.enabled)
            for peer, each in config.peers.items()
            if self._enabled(speaker, peer, each) != each.enabled
        }
        origins = self._origins(speaker, config)
        if not peers and origins is None:
            return config
        return replace(config, peers={**config.peers, **peers}, origins=config.origins if origins is None else origins)

    def _enabled(self, speaker: str, peer: str, config: PeerConfig) -> bool:
        """A failed session is down at both ends; one of a standby instance is up while that stands in for the other."""
        if any(how == "crash" for how in self._faults.pair("session", speaker, peer)):
            return False
        return config.enabled or (self._standby.works(speaker) and self._standby.works(peer))

    def _origins(self, speaker: str, config: SpeakerConfig) -> dict[Prefix, OriginConfig] | None:
        by_hand = self._by_hand.get(speaker, {})
        unreached = {prefix for name, prefix in self._unreached if name == speaker}
        if not by_hand and not unreached:
            return None
        origins = {p: o for p, o in config.origins.items() if by_hand.get(p, True) and str(p) not in unreached}
        for prefix, announced in by_hand.items():
            if announced and prefix not in config.origins:
                origins[prefix] = OriginConfig(prefix=prefix, next_hop=self._address(speaker), tags=("self", "originated"))
        return origins

    def _address(self, speaker: str) -> Address:
        router = self._plan.network.router(speaker)
        assert router is not None, f"{speaker} is no router and announces nothing by hand"
        return router_address(self._plan.network, router)


def _key(condition: Conditional) -> tuple[str, str]:
    return condition.speaker, condition.prefix
