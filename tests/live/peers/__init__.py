"""The BGP daemons of others, each started by hand on a loopback address and asked by its own tool.

`base` says what all of them can do, every other file is one daemon; `DAEMONS` holds them in the order of the table of results.
"""

from collections.abc import Callable

from tests.live.peers.base import Daemon, Seen, Setting
from tests.live.peers.bird import Bird
from tests.live.peers.exabgp import ExaBgp
from tests.live.peers.frr import Frr
from tests.live.peers.gobgp import GoBgp
from tests.live.peers.openbgpd import OpenBgpd

__all__ = ["DAEMONS", "Daemon", "Seen", "Setting"]

DAEMONS: tuple[Callable[[Setting], Daemon], ...] = (Frr, Bird, GoBgp, OpenBgpd, ExaBgp)
