"""Whatever a configuration says, reading it raises nothing: what was not understood is listed, what was is data that outlives the text."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.arm.guests.cloud_init import first_boot
from dualhome.arm.guests.configs import for_namespace, keys_of, of_data, read

WORDS = (  # noqa: SIM905 - it is read as lines
    "router bgp neighbor remote-as route-map permit deny in out no network mask redistribute static connected address-family ipv4 unicast exit-address-family peer-group "
    "set as-path prepend exclude community additive metric local-preference ip next-hop unchanged match address prefix-list seq le ge any route Null0 ebgp-multihop timers "
    "as-override allowas-in default-originate interface Loopback0 bgp router-id access-list community-list standard aggregate-address summary-only shutdown update-source "
    "protocol template filter from local as multihop import export where net ~ [ ] { } ; ( ) if then else accept reject bgp_path.prepend(65001) bgp_community.add((65000,1)) "
    "via blackhole hold time keepalive neighbor next hop self keep none all ! # // /* */ \" ' \\ / - 10.0.0.4 10.1.0.0/16 0.0.0.0/0 255.255.255.0 300.1.1.1 fe80::1 "
    "65001 65515 4294967296 -1 10 RS rs1 :: 1:2 ² ١٢"
).split()
LINES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join), max_size=25).map("\n".join)
TEXTS = st.one_of(LINES, st.text(max_size=300))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["frr", "quagga", "ios", "bird"]), st.sampled_from(["router bgp 65001\n", "protocol bgp a {\n", ""]))
def test_nothing_is_raised(text: str, program: str, head: str) -> None:
    for_namespace(head + text, program)
    config = read(head + text, program)
    if config is None:
        return
    assert all(isinstance(each, str) for each in config.unread)
    kept = config.data()
    assert of_data(json.loads(json.dumps(kept))).data() == kept
    assert isinstance(keys_of(config, lambda address: "rs"), dict)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        TEXTS.map(str.encode),
        TEXTS.map(lambda text: f"#cloud-config\nruncmd:\n - {text}\nwrite_files: {text[:9]}".encode()),
    )
)
def test_nor_by_custom_data(data: bytes) -> None:
    assert all(isinstance(each, str) for each in first_boot(data).steps())
