"""Stopping: a signal first closes the gate, and the server once what came in is answered."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from quiver.server.gate import Gate

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LINGER_SECONDS = 0.5
"""The port stays open for so long after the last answer: who comes back at once is told, not cut off."""


@contextmanager
def stops_in_two_steps(gate: Gate, drain_seconds: float) -> Iterator[None]:
    """Inside, a first signal closes the gate, and takes its usual effect when nobody is behind that any more.

    A second signal takes it at once. Does nothing outside the main thread, which has no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    usual = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, frame: FrameType | None = None) -> None:
        handler = usual[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def begin(number: int, frame: FrameType | None) -> None:
        if gate.is_draining:
            stop(number, frame)
        else:
            gate.is_draining = True
            loop.call_soon_threadsafe(lambda: tasks.add(asyncio.ensure_future(finish(number))))

    async def finish(number: int) -> None:
        until = time.monotonic() + drain_seconds
        while gate.under_way and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.sleep(LINGER_SECONDS)
        stop(number)

    tasks: set[asyncio.Future[None]] = set()
    for number in SIGNALS:
        signal.signal(number, begin)
    yield
