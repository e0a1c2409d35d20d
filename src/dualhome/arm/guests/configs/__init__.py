"""Configurations of routers, read: FRR and Quagga, Cisco's IOS, BIRD. Begin at `read`."""

from __future__ import annotations

from dualhome.arm.guests.configs import bird, frr
from dualhome.arm.guests.configs.router import RouterConfig, keys_of, of_data, originated

__all__ = ["RouterConfig", "for_namespace", "keys_of", "of_data", "originated", "read"]


def read(text: str, program: str = "frr") -> RouterConfig | None:
    """The router that a text describes, by its grammar; None where it is no configuration of BGP."""
    if bird.is_one(text):
        return bird.read(text)
    return frr.read(text, program) if frr.is_one(text) else None


def for_namespace(text: str, program: str) -> str:
    """A configuration as its program is given it live."""
    return bird.for_namespace(text) if program == "bird" else frr.for_namespace(text, program)
