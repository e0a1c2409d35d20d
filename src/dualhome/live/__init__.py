"""The second driver: a network on this machine. Sockets, the clock, namespaces, NVA runtimes, BFD, the fabric in the kernel."""
