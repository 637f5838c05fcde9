"""``python -m describer.cli``: the describer command without its script."""

from describer.cli import main

main()
