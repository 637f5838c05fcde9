"""`python -m describer`, for launchers that start modules."""

from describer.cli import main

main()
