"""Peers that do what a peer must not, through real sockets, and a watcher that reads what is sent on.

`octets` writes messages of any kind, also wrong ones; `strict` reads what a speaker under test sends, and finds fault with all that no RFC allows; `peer` is a
socket with a session on it; `servers` are the speakers under test; `attributes`, `messages`, `opens`, `states` … are tables of cases, whose expectations
are taken from the text of the RFCs named in them; `bench` runs a case and says what came of it.
"""
