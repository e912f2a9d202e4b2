"""Write docs/rerank.svg: what the README's first command shows, from a real run in a real terminal.

Run ``.venv/bin/python docs/make_picture.py``.
"""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 108
QUERY = "How do I undo my last commit but keep the changes?"
COMMAND = ["rerank", QUERY, "--input", "examples/documents/git.txt", "--top-k", "5"]


def run_in_terminal(command: list[str]) -> str:
    """What a command prints on a terminal of WIDTH columns, then what it says on standard error."""
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
        _, said = process.communicate()
    os.close(theirs)
    shown = os.read(ours, 1 << 16)
    return (shown + said).decode().replace("\r\n", "\n")


def main() -> None:
    """Run the command and draw what it shows."""
    shown = run_in_terminal([sys.executable, "-m", "quiver", *COMMAND])
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, force_terminal=True, file=nowhere)
        console.print(Text(f"$ quiver {shlex.join(COMMAND)}\n"))
        console.print(Text.from_ansi(shown.rstrip()))
    console.save_svg(str(Path(__file__).parent / "rerank.svg"), title="quiver")


if __name__ == "__main__":
    main()
