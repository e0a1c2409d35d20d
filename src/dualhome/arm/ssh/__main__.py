"""`python -m dualhome.arm.ssh PROGRAM ARGUMENTS…`."""

import os
import sys

from dualhome.arm.ssh.commands import main

if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(code)  # a thread may wait for standard input still
