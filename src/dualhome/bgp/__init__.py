"""One BGP speaker: sessions (RFC 4271 section 8), its RIB, its policies as data. No I/O, no clock, no chance.

In: `SpeakerConfig` (made by `dualhome.plan`), events of transports, the time. Out: actions on transports, answers about the RIB. Begin at
`speaker.Speaker`, then `session.Session`; bytes and RIBs are in Rust (`dualhome._core`).
"""
