"""The first driver: virtual time, transports with their delays, probes, a record that replays.

In: a `Plan`, and what is done to it. Out: the `Engine` as it is at any moment, when it came to rest, and how long flows were interrupted. Begin at
`simulation.Simulation`.
"""
