"""The fabric as data: ports, route tables, groups of next hops; what differs between two states; and where a state is held (memory, eBPF).

Begin at `state`. `desired` makes a state from a world, `difference` the steps from one to another, `memory` and `kernel` hold one.
"""
