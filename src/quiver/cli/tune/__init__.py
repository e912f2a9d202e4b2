"""``quiver tune``: a file for each of its commands, gathered in ``app``."""
