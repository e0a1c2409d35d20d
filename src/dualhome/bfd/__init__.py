"""Bidirectional forwarding detection (RFC 5880, 5881, 5883): packets, and a session that does no I/O."""
