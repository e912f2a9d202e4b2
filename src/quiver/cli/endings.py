"""Endings: what the shell sees when a command fails or is stopped.

    0    done
    1    a QuiverError: one ``error:`` line on standard error, no traceback
    2    the command line itself is wrong (typer says what)
    130  Ctrl-C
    141  whoever read our output went away (as a process that SIGPIPE ends)
    143  terminated; files under way are removed first

Anything else is a bug of ours and shows its traceback.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from quiver.cli.terminal import neutralise
from quiver.errors import QuiverError

FAILURE = 1
INTERRUPTED = 128 + signal.SIGINT
UNREAD = 141
"""128 + SIGPIPE, which Windows does not define."""
TERMINATED = 128 + signal.SIGTERM


class ReaderGone(Exception):
    """Whoever read our output has closed it, as ``head`` does; no error, but no use going on."""


@contextmanager
def clean_endings() -> Iterator[None]:
    """Turn users' mistakes and signals into an exit code and at most a line of explanation."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except QuiverError as error:
        complain(str(error))
        sys.exit(FAILURE)
    except ReaderGone:
        sys.exit(UNREAD)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        abandon_stdout()
        complain(os.strerror(errno.ENOSPC))
        sys.exit(FAILURE)
    finally:
        signal.signal(signal.SIGTERM, before)


def complain(message: str) -> None:
    """Print an error; it may quote a file's content, which must not steer the terminal."""
    typer.echo("error: " + "\n".join(map(neutralise, message.split("\n"))), err=True)


def abandon_stdout() -> None:
    """Let what is still buffered go nowhere: Python would try again at exit, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)
