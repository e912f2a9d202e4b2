"""``python -m quiver``: the shell command, for where no script directory is on the path."""

from quiver.cli.main import main

main()
