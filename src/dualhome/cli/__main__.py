"""`python -m dualhome.cli` is `dualhome`."""

from dualhome.cli import main

main()
