"""Beside each speaker: what should follow of what it heard, by `oracle` and `decision`.

After every event the speaker's candidates, its decisions, and what each peer was told are compared with that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dualhome._core import Route
from dualhome.bgp import events
from dualhome.bgp.config import OriginConfig
from dualhome.bgp.policy import PeerPolicy
from dualhome.bgp.speaker import Speaker
from dualhome.hunt import oracle
from dualhome.hunt.decision import Decision, decide
from dualhome.hunt.oracle import Path, Refused, Source, Working
from dualhome.hunt.talk import BrokenError, Session, Talk
from dualhome.hunt.views import Visible, believed, decided, on_the_wire, seen, shown, visible
from dualhome.hunt.wire import Attributes, Prefix
from dualhome.net import Prefix as Net

Key = tuple[Prefix, int | None]


class Shadow:
    """What should be true of one speaker."""

    def __init__(self, speaker: Speaker, talk: Talk) -> None:
        self.speaker: Final = speaker
        self.talk: Final = talk
        self.sessions: Final = talk.sessions
        self._own_paths: dict[Prefix, tuple[object, Path]] = {}
        self._let_in: dict[tuple[str, Prefix], tuple[object, list[Working] | Refused]] = {}
        self._decided: dict[Prefix, tuple[object, Decision]] = {}
        self._told: dict[tuple[str, Prefix], tuple[object, tuple[Working, ...]]] = {}
        self._best: dict[Prefix, Visible] = {}

    def forget(self) -> None:
        """The speaker is about to become another one, with another RIB."""
        for known in (self._own_paths, self._let_in, self._decided, self._told, self._best):
            known.clear()

    # --- what follows -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The speaker's RIBs are those of the oracle, and each peer was told what it should be told."""
        self.talk.has_news = False
        speaker, rib = self.speaker, self.speaker.rib
        up = {name for name in speaker.config.peers if speaker.session(name).state is events.State.ESTABLISHED}
        if up != set(self.sessions):
            raise BrokenError(f"sessions that are up: {sorted(up)}, from the journal {sorted(self.sessions)}")
        routes = rib.candidates()
        actual = {(route.prefix, route.peer): route for route in routes}
        paths = self.paths(actual)
        wanted = {(prefix, path.source.number): path for prefix, all_ in paths.items() for path in all_}
        if wanted.keys() != actual.keys():
            raise BrokenError(self._difference("routes", wanted, actual))
        for key, path in wanted.items():
            if path.exact and visible(path) != seen(actual[key]):
                raise BrokenError(
                    f"{Net(*key[0])} of {path.source.peer or 'ourselves'}: {seen(actual[key])}, and should be {visible(path)}"
                )
        self._check_limits()
        if speaker.restarting:
            self.talk.check_restart()
            return
        decisions = {prefix: self._decide(prefix, all_, actual) for prefix, all_ in paths.items()}
        for prefix, decision in decisions.items():
            self._check_decision(prefix, decision, actual)
        self._check_changes(routes)
        self._check_refused()
        pending = set(rib.pending())
        for peer, session in self.sessions.items():
            if speaker.peer_number(peer) not in pending:
                self._check_told(peer, session, paths, decisions)

    def _check_limits(self) -> None:
        """No session outlives more routes than its peer may announce (RFC 4486 section 4); what is beyond another limit is counted."""
        for peer, session in self.sessions.items():
            policy = self.speaker.config.peers[peer].policy
            if policy.max_prefixes is None or session.is_doubtful or session.unsure:
                continue
            over = self.speaker.rib.over_limit(self.speaker.peer_number(peer))
            if over != session.over and not session.was_doubtful:
                raise BrokenError(
                    f"{over} routes of {peer} are said to be beyond the limit of {policy.max_prefixes}, and {session.over} are"
                )
            if session.has_too_many:
                raise BrokenError(f"{peer} announces {len(session.received)} routes, the limit is {session.limit}, and its session is up")

    def paths(self, actual: dict[tuple[Prefix, int], Route]) -> dict[Prefix, list[Path]]:
        """All paths that should be let in, by prefix; of those that are unsure, the ones that are."""
        config, paths = self.speaker.config, dict[Prefix, list[Path]]()
        for origin in config.origins.values():
            paths[origin.prefix] = [self._own(origin)]
        for peer in config.peers:
            if session := self.talk.held(peer):
                number = self.speaker.peer_number(peer)
                source = self._source(peer, config.peers[peer].policy, number, session.router_id)
                is_believed = session.is_doubtful or (bool(session.unsure) and _summarizes(config.peers[peer].policy))
                if not is_believed:
                    for prefix, path in self._peers_paths(peer, session, source).items():
                        paths.setdefault(prefix, []).append(path)
                if is_believed or session.unsure:
                    for (prefix, owner), route in actual.items():
                        if owner == number and (is_believed or prefix in session.unsure):
                            paths.setdefault(prefix, []).append(believed(route, source))
        return paths

    def _peers_paths(self, peer: str, session: Session, source: Source) -> dict[Prefix, Path]:
        """A summary goes before the peer's own route to the same prefix; it is as its first contributor makes it."""
        direct, summaries = dict[Prefix, Path](), dict[Prefix, Path]()
        policy = self.speaker.config.peers[peer].policy
        for prefix, attributes in sorted(session.received.items()) if _summarizes(policy) else session.received.items():
            judged = self._judge(peer, policy, source, prefix, attributes) if prefix not in session.unsure else []
            for route in [] if isinstance(judged, Refused) else judged:
                path = Path(source=source, attributes=route.attributes, weight=route.weight)
                if route.is_summary:
                    summaries.setdefault(route.prefix, path)
                else:
                    direct[route.prefix] = path
        return direct | summaries

    def _own(self, origin: OriginConfig) -> Path:
        token = (origin, self.speaker.config.router_id)
        known = self._own_paths.get(origin.prefix)
        if known is None or known[0] != token:
            known = self._own_paths[origin.prefix] = (token, oracle.own_path(self.speaker.config, origin))
        return known[1]

    def _source(self, peer: str, policy: PeerPolicy, number: int, router_id: str) -> Source:
        return Source(
            peer=peer, number=number, asn=policy.asn, address=policy.peer_address, router_id=router_id, ebgp=policy.ebgp,
            client=policy.reflector_client, tags=policy.tags,
        )  # fmt: skip

    def _judge(self, peer: str, policy: PeerPolicy, source: Source, prefix: Prefix, attributes: Attributes) -> list[Working] | Refused:
        token = (attributes, policy, source)
        known = self._let_in.get((peer, prefix))
        if known is None or known[0] != token:
            known = self._let_in[peer, prefix] = (token, oracle.let_in(self.speaker.config, policy, prefix, attributes))
        return known[1]

    def _decide(self, prefix: Prefix, paths: list[Path], actual: dict[tuple[Prefix, int], Route]) -> Decision:
        """Of a path that is unsure and came by iBGP, ORIGINATOR_ID and CLUSTER_LIST are not known here: the RIB is believed."""
        config = self.speaker.config
        if any(not path.exact and not path.source.ebgp for path in paths):
            return decided(actual[prefix, path.source.number] for path in paths)
        token = (paths, config.rounds, config.preference)
        known = self._decided.get(prefix)
        if known is None or known[0] != token:
            decision = decide([oracle.candidate(path) for path in paths], config.rounds, config.preference, config.multipath)
            known = self._decided[prefix] = (token, decision)
        return known[1]

    def _check_decision(self, prefix: Prefix, decision: Decision, actual: dict[tuple[Prefix, int], Route]) -> None:
        for peer in [*decision.lost_in, *([] if decision.best is None else [decision.best])]:
            route = actual[prefix, peer]
            found = (route.best, route.multipath, route.lost_in)
            wanted = (peer == decision.best, peer in decision.multipath, decision.lost_in.get(peer))
            if found != wanted:
                raise BrokenError(f"{Net(*prefix)} of {self.name(peer)}: (best, multipath, lost in) is {found}, and should be {wanted}")

    def _check_changes(self, routes: list[Route]) -> None:
        """Whatever is another best or multipath set now was told by `changes`."""
        now: dict[Prefix, Visible] = {}
        for route in routes:
            if route.multipath or route.best:
                now[route.prefix] = (*now.get(route.prefix, ()), (route.peer, route.best, seen(route)))
        other = {prefix for prefix in now.keys() | self._best.keys() if now.get(prefix) != self._best.get(prefix)}
        named = set(self.speaker.rib.changes())
        if self._best and not other <= named:
            raise BrokenError(f"changes are not told of {[str(Net(*prefix)) for prefix in sorted(other - named)]}")
        self._best = now

    def _check_told(self, peer: str, session: Session, paths: dict[Prefix, list[Path]], decisions: dict[Prefix, Decision]) -> None:
        role = self.speaker.config.peers[peer].policy.role
        if role in oracle.COMES_FROM_ABOVE and not all(path.exact for all_ in paths.values() for path in all_):
            return  # whether a route that is believed bears ONLY_TO_CUSTOMER isn't known here
        wanted = self.to_tell(peer, session, paths, decisions)
        if wanted.keys() != session.told.keys():
            raise BrokenError(
                self._difference(f"told to {peer}", ((each, None) for each in wanted), ((each, None) for each in session.told))
            )
        for prefix, (attributes, exact) in wanted.items():
            told = session.told[prefix]
            if told != attributes if exact else shown(told) != shown(attributes):
                raise BrokenError(f"{peer} was told {Net(*prefix)} with {told}, and should be with {attributes}")

    def to_tell(
        self, peer: str, session: Session, paths: dict[Prefix, list[Path]], decisions: dict[Prefix, Decision]
    ) -> dict[Prefix, tuple[Attributes, bool]]:
        """What a peer should be told: of each prefix the summaries that best routes make, then the best route, the first that is not of its own making;
        where all are of its own, nothing, or the best of the others' routes (RFC 7947 section 2.3).
        """
        offers: dict[Prefix, list[tuple[Path, Attributes]]] = {}
        directs: dict[Prefix, list[tuple[Path, Attributes]]] = {}
        second = self.speaker.config.peers[peer].policy.own == "second"
        for prefix in sorted(paths):
            best = decisions[prefix].best
            for path in [each for each in paths[prefix] if each.source.number == best]:
                for route in self._exported(peer, session, prefix, path):
                    (offers if route.is_summary else directs).setdefault(route.prefix, []).append((path, route.attributes))
        told: dict[Prefix, tuple[Attributes, bool]] = {}
        for prefix in [*offers, *(each for each in paths if each not in offers)]:
            all_ = [*offers.get(prefix, ()), *directs.get(prefix, ())]
            best = decisions[prefix].best if prefix in decisions else None
            found = next((each for each in all_ if each[0].source.peer != peer), None)
            owner = all_[0][0].source.peer if all_ else next((p.source.peer for p in paths[prefix] if p.source.number == best), None)
            if found is None and second and owner == peer:
                found = self._second(peer, session, prefix, [path for path in paths.get(prefix, ()) if path.source.number != best])
            if found:
                told[prefix] = (found[1], found[0].exact)
        return told

    def _second(self, peer: str, session: Session, prefix: Prefix, others: list[Path]) -> tuple[Path, Attributes] | None:
        """The best of these, if it is of another than the peer; it makes no summaries."""
        config = self.speaker.config
        best = decide([oracle.candidate(each) for each in others], config.rounds, config.preference).best
        for path in others:
            if path.source.number == best and path.source.peer != peer:
                return next(
                    ((path, route.attributes) for route in self._exported(peer, session, prefix, path) if not route.is_summary), None
                )
        return None

    def _exported(self, peer: str, session: Session, prefix: Prefix, path: Path) -> tuple[Working, ...]:
        policy, config = self.speaker.config.peers[peer].policy, self.speaker.config
        token = (path, policy, config.asn, config.cluster_id, config.router_id, session.agreed.families)
        known = self._told.get((peer, prefix))
        if known is None or known[0] != token:
            known = self._told[peer, prefix] = (token, oracle.told(config, policy, session.agreed.families, prefix, path))
        return known[1]

    def name(self, number: int) -> str:
        """The peer of a number, for people."""
        return self.speaker.peer_name(number) or "ourselves"

    def _difference(self, what: str, wanted: Iterable[Key], found: Iterable[Key]) -> str:
        wanted, found = set(wanted), set(found)
        return f"{what}: missing {self._texts(wanted - found)}, too many {self._texts(found - wanted)}"

    def _texts(self, keys: Iterable[Key]) -> str:
        texts = [
            f"{Net(*prefix)} of {self.name(number)}" if number is not None else str(Net(*prefix))
            for prefix, number in sorted(keys, key=repr)
        ]
        return ", ".join(texts[:4]) or "none"

    # --- when nothing is under way ------------------------------------------------------------------------------------

    def check_questions(self) -> None:
        """What the RIB answers of Adj-RIB-In and Adj-RIB-Out is what came and what was sent."""
        speaker = self.speaker
        for peer, session in self.sessions.items():
            if session.is_doubtful or session.unsure:
                continue
            refusals = self._refusals(peer, session)
            by_rule = {prefix for prefix, reason in refusals.items() if reason == "policy"}
            let_in = session.received.keys() - (refusals.keys() - by_rule)
            received = {route.prefix: on_the_wire(seen(route)[:-1], session) for route in speaker.learned(peer)}
            if received.keys() - by_rule != let_in - by_rule or any(
                on_the_wire(shown(session.received[prefix]), session) != each for prefix, each in received.items()
            ):
                raise BrokenError(f"Adj-RIB-In of {peer}: {received}, and it told {session.received}")
            advertised = {route.prefix: on_the_wire(seen(route)[:-1], session) for route in speaker.advertised(peer)}
            told = {prefix: shown(attributes) for prefix, attributes in session.told.items()}
            if advertised != told:
                raise BrokenError(f"Adj-RIB-Out toward {peer}: {advertised}, and it was told {told}")
            counts = speaker.counts(peer)
            if (counts[0], sum(counts[1].values()), counts[2]) != (len(session.received) - len(refusals), len(refusals), len(told)):
                raise BrokenError(f"counts of {peer}: {counts}, and they are {len(session.received)}, {refusals}, {len(told)}")

    def _check_refused(self) -> None:
        """What was refused is kept, with its reason."""
        found = {(route.prefix, route.peer): route.reason for route in self.speaker.rejected()}
        wanted: dict[tuple[Prefix, int], str | None] = {}
        for peer in self.speaker.config.peers:
            if (session := self.talk.held(peer)) is None:
                continue
            number = self.speaker.peer_number(peer)
            if session.is_doubtful or session.unsure:
                wanted |= {key: reason for key, reason in found.items() if key[1] == number}
            else:
                wanted |= {(prefix, number): reason for prefix, reason in self._refusals(peer, session).items()}
        if found != wanted:
            raise BrokenError(f"{self._difference('refused', wanted, found)}, reasons {sorted(map(str, found.values()))}")

    def _refusals(self, peer: str, session: Session) -> dict[Prefix, str]:
        policy, number = self.speaker.config.peers[peer].policy, self.speaker.peer_number(peer)
        source = self._source(peer, policy, number, session.router_id)
        judged = {prefix: self._judge(peer, policy, source, prefix, attributes) for prefix, attributes in session.received.items()}
        return {prefix: each.reason for prefix, each in judged.items() if isinstance(each, Refused)}


def _summarizes(policy: PeerPolicy) -> bool:
    return any("prefix_replace" in action for term in policy.rules for action in term.do)
