"""Run: uvicorn around the application."""

import socket
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from quiver.errors import InputError
from quiver.server.traces import are_wanted, traced


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


def run(app: ASGIApp, bound: socket.socket, certificate: Certificate | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Raises InputError if the certificate cannot be used.
    """
    chosen = configuration(traced(app) if are_wanted() else app, certificate)
    try:
        chosen.load()
    except OSError as error:
        assert certificate is not None
        raise InputError(f"{certificate.chain} and {certificate.key} cannot be used: {error}") from None
    uvicorn.Server(chosen).run([bound])


def configuration(app: ASGIApp, certificate: Certificate | None = None) -> uvicorn.Config:
    """How uvicorn runs: no log of requests, no banner in headers."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
