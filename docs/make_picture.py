"""Write docs/rerank.svg: what the README's first command shows, from a real run in a real terminal.

Run ``.venv/bin/python docs/make_picture.py``.
"""

import os
import pty
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 108
QUERY = "How do I undo my last commit but keep the changes?"
COMMAND = ["rerank", QUERY, "--input", "examples/documents/git.txt", "--top-k", "5"]


def run_in_terminal(command: list[str]) -> str:
    """What a command shows on a terminal of WIDTH columns, escape sequences included."""
    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color")
    shown = bytearray()

    def read(terminal: int) -> bytes:
        content = os.read(terminal, 4096)
        shown.extend(content)
        return content

    pty.spawn(command, read)
    return shown.decode().replace("\r\n", "\n")


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
