"""A peer that asks for all routes again and again is answered at the pace at which it reads (RFC 2918)."""

from __future__ import annotations

from dualhome import _core
from dualhome.bgp.events import Received
from dualhome.bgp.speaker import Send, Speaker
from tests.bgp.wire import pair


def test_many_requests_in_one_batch_are_answered_once() -> None:
    net = pair(near_prefixes=("192.0.2.0/24",)).start()
    near = net.speakers["near"]
    transport = near.session("far").transport
    assert transport is not None
    request = _core.encode_route_refresh(1, 1)
    actions = near.handle("far", Received(transport, request * 50), net.now)
    assert [action.data.count(b"\xff" * 16) for action in actions if isinstance(action, Send)] == [1]


def test_one_that_does_not_read_waits_and_is_told_all_once_it_reads() -> None:
    reads = [True]
    net = pair(near_prefixes=("192.0.2.0/24", "198.51.100.0/24")).start()
    config = net.speakers["near"].config
    net.speakers["near"] = near = Speaker(config, writable=lambda peer: reads[0])
    net.speakers["far"] = Speaker(net.speakers["far"].config)
    net.perform("near", near.start(net.now))
    net.perform("far", net.speakers["far"].start(net.now))
    net.settle()
    transport = near.session("far").transport
    assert transport is not None
    reads[0] = False
    for _ in range(50):
        assert near.handle("far", Received(transport, _core.encode_route_refresh(1, 1)), net.now) == []
    reads[0] = True
    told = b"".join(action.data for action in near.flush(net.now) if isinstance(action, Send))
    # Once for the first request, which was waiting to leave, and once for all that came since.
    assert told.count(bytes([24, 192, 0, 2])) == 2
    assert told.count(bytes([24, 198, 51, 100])) == 2
    assert near.flush(net.now) == []
