"""Run: uvicorn around the application."""

import gc
import multiprocessing.connection
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from quiver.errors import InputError
from quiver.server.metrics import SHARED_FOLDER
from quiver.server.protocol import PatientProtocol
from quiver.server.traces import are_wanted, traced

HEALTH_SECONDS = 60
"""A worker that does not answer its parent for so long is replaced."""
IDLE_SECONDS = 75
"""A connection may idle between requests: longer than clients and proxies keep one, so they let go first."""
SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python to itself; Python's own 5 ms are longer than a short call takes."""


def bind(host: str, port: int) -> socket.socket:
    """A socket for that address, before anything is loaded; nobody can connect to it yet.

    Raises InputError if the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = error.strerror or error
        raise InputError(f"cannot listen on {host}, port {port}: {reason}; choose another one") from None
    return bound


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate chain and its key, in PEM."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Raise InputError if the files are absent, no certificate, or do not belong together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key)
        except OSError as error:
            raise InputError(f"{self.chain} with {self.key} is no usable certificate: {error}") from None


def run(app: ASGIApp, bound: socket.socket, certificate: Certificate | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Raises InputError if the certificate cannot be used.
    """
    if certificate is not None:
        certificate.check()
    settle()
    uvicorn.Server(configuration(traced(app) if are_wanted() else app, certificate)).run([bound])


def settle() -> None:
    """Make this process a server: threads take turns quickly, and what is loaded is never garbage."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


def run_workers(
    make_app: Callable[[], ASGIApp],
    workers: int,
    bound: socket.socket,
    certificate: Certificate | None = None,
) -> None:
    """Serve from several processes, and start one anew when it dies; ``make_app`` must pickle.

    They take connections from one socket and map one packed copy of the weights, and stop when this process
    is gone, however it went. Each has its share of the
    cores, unless OMP_NUM_THREADS says otherwise. Raises InputError if the certificate cannot be used.
    """
    if certificate is not None:
        certificate.check()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    chosen = configuration(_FollowsParent(make_app), certificate)
    chosen.workers, chosen.factory = workers, True
    bound.listen(chosen.backlog)
    with TemporaryDirectory(prefix="quiver-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        Multiprocess(chosen, [bound]).run()


@dataclass(frozen=True, slots=True)
class _FollowsParent:
    """Makes a worker's application, and stops the worker as a signal would once its parent is gone."""

    make_app: Callable[[], ASGIApp]

    def __call__(self) -> ASGIApp:
        threading.Thread(target=_stop_after_parent, name="quiver-parent", daemon=True).start()
        return self.make_app()


def _stop_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def configuration(
    app: ASGIApp | Callable[[], ASGIApp], certificate: Certificate | None = None
) -> uvicorn.Config:
    """How uvicorn runs: no log of requests, no banner in headers."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        ws="none",
        timeout_worker_healthcheck=HEALTH_SECONDS,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
