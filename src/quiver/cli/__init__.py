"""The shell: one module per command; each reads texts, calls one public function and prints.

Nothing heavy is imported before a command runs, so that ``quiver --help`` answers at once.
"""
