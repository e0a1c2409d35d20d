"""`ssh`, `scp`, `sshpass` and `ssh-keyscan` for scripts that reach virtual machines by address: `dualhome env` puts them first on PATH.

Where a machine of the server has the address, the command runs there, as run-command does, by the server's API and with the environment's credentials; for
any other address, and whatever else these programs can do, they become the real ones. Begin at `commands.main`. Nothing here but the standard library:
a script calls them many times.
"""
