"""Every table of cases against `dualhome route-server`, with four watchers that read strictly what is sent on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.live.adversary import attributes, families, lists, messages, opens, unknown
from tests.live.adversary.bench import Bench, Case
from tests.live.adversary.messages import Message
from tests.live.adversary.peer import World
from tests.live.adversary.servers import AZURE, GROUPS, Ours, transparent

pytestmark = pytest.mark.live

UPDATES = (
    attributes.flags, attributes.lengths, attributes.values, attributes.paths, attributes.absent, attributes.repeated, attributes.internal_only,
    families.reach, families.not_agreed_on, lists.nlri, lists.lists, unknown.unrecognized, unknown.two_octets, unknown.big,
)  # fmt: skip
MESSAGES = (
    messages.headers,
    messages.unexpected,
    messages.notifications,
    messages.refreshes,
    opens.fields,
    opens.parameters,
    opens.capabilities,
)


@pytest.fixture(scope="module", params=["router", "route server", "azure", "ranges"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A plain router, a route server that is not in the paths (RFC 7947), one that behaves like Azure's, one whose peers come by address ranges."""
    directory = tmp_path_factory.mktemp("adversary")
    groups = transparent() if request.param == "route server" else GROUPS
    server = {
        "router": lambda: Ours(directory),
        "route server": lambda: Ours(directory, groups=groups, defaults=""),
        "ranges": lambda: Ours(directory, ranges=True),
        "azure": lambda: Ours(directory, mode="azure", defaults=AZURE),
    }[request.param]()
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, groups, tags=request.param == "azure")
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()


@pytest.mark.parametrize("cases", UPDATES, ids=lambda each: each.__name__)
def test_updates_fare_as_rfc_7606_says(bench: Bench, cases: Callable[[], Iterator[Case]]) -> None:
    assert {case.name: wrong for case in cases() if (wrong := bench.run(case).wrong)} == {}


@pytest.mark.parametrize("cases", MESSAGES, ids=lambda each: f"{each.__module__.rpartition('.')[2]}.{each.__name__}")
def test_other_messages_fare_as_rfc_4271_says(bench: Bench, cases: Callable[[], Iterator[Message]]) -> None:
    assert {case.name: wrong for case in cases() if (wrong := messages.run(bench, case))} == {}
