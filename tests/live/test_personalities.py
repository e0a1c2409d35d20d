"""Route servers of other makers on real sockets: what was agreed on the wire, and how long a silent loss takes."""

from __future__ import annotations

import time

import pytest

from dualhome.app import azure
from tests.engine.networks import DUAL
from tests.live.running import brought_up

pytestmark = pytest.mark.live


@pytest.mark.rules("R75")
@pytest.mark.parametrize(
    ("maker", "asn", "hold_s", "hops"), [("google", 4200000007, 60, {"10.1.2.4", "10.2.2.4"}), ("aws", 64700, 90, {"10.1.2.4"})]
)
def test_timers_asns_and_next_hops_are_the_makers(maker: str, asn: int, hold_s: float, hops: set[str]) -> None:
    """An NVA falls silent, and its sessions end when the maker's hold time is over and not before two thirds of it."""
    text = DUAL.replace("name: dual", f"name: dual\nbehaves_like: {maker}").replace(
        "peers: [nva1, nva2]", f"asn: {asn}, peers: [nva1, nva2]"
    )
    with brought_up(text, "maker") as run:
        assert {view.hold_time_s for view in run.sessions("rs/nva1")} == {hold_s}
        assert [row.as_path for row in run.learned("nva1/rs#0")] == [str(asn)]
        rows = [row for row in run.effective_routes("vm") if str(row.prefix) == "172.16.4.0/24"]
        assert {str(hop) for row in rows for hop in row.next_hops} == hops
        told = azure.learned(run, "rs/nva2")["RouteServiceRole_IN_1"]
        assert isinstance(told, list)
        assert [(row["localAddress"], row["nextHop"], row["asPath"]) for row in told] == [("10.10.0.5", "10.2.2.4", "65002")]
        assert [row["connectionState"] for row in azure.speaker(run, "rs") if isinstance(row, dict)] == ["Connected", "Connected"]
        assert all(view.messages_sent > 1 < view.messages_received for view in run.sessions("rs"))
        began_s = run.now_s
        run.fail("nva1", "silent")
        end = time.monotonic() + 30
        while "Established" in run.session_states("rs/nva1").values() and time.monotonic() < end:
            time.sleep(0.02)
        assert hold_s * 2 / 3 - 1 <= run.now_s - began_s <= hold_s + 10
        rows = [row for row in run.effective_routes("vm") if str(row.prefix) == "172.16.4.0/24"]
        assert {str(hop) for row in rows for hop in row.next_hops} == {"10.2.2.4"}
