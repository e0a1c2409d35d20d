"""Bidirectional forwarding detection (RFC 5880, 5881, 5883), asynchronous mode, without authentication and echo: a session that does no I/O.

In: packets of the other end, configuration, the time. Out: packets to send, and word that the session came up or went down. `packet` holds the
bytes and why a packet is discarded, `fsm` the state table, `session` the timers, `demux` to which session a packet belongs. Begin at
`session.Session`.
"""
