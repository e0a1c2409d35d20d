"""A simulation that hunts faults of the BGP engine: one seed draws a network, its timings and what befalls it.

In: a seed. Out: a `run.Outcome`; where something didn't hold, a `Broken` with what it was, at which time, and the faults that it takes.

`draw` makes of a seed a `Case`: speakers, sessions, policies, faults. `world` runs the real `bgp.Speaker` of each on virtual time over streams of bytes
in memory that are late, cut, stalled, mutated and torn. Beside each speaker stand `talk`, which reads what it hears and says (`wire`), and `shadow`, which
compares it after every event with a decision process (`decision`), an import and an export (`oracle`) of its own, all slow and plain. `run` lets the faults
stop, and compares what all settled to with a fresh network of the same configuration (`rest`); it finds the fewest faults that show a failure.
Begin at `run.hunt`.
"""
