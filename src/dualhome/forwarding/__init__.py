"""Effective routes of NICs and the paths of packets, by Azure's rules and not RFC 4271's.

In: a `World` (the model, what works, what the RIBs hold, what was programmed). Out: `effective_routes` of a NIC (sections 3 and 8 of the rules),
`trace`: every path that flows between two ends take, with each drop's reason. Begin at `effective.effective_routes`, then `trace.paths`.
"""
