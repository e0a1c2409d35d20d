"""A route server as a daemon on real sockets: `dualhome route-server --config FILE`.

In: a file (`config` reads it, `shape` says its form, `speakers` makes it plain what each instance is told). Out: BGP sessions, metrics, lines of a log,
answers on a control socket, and the best paths in the kernel's table where that is wanted. Begin at `daemon.RouteServer`.
"""
