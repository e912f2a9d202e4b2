"""Run: uvicorn around the application."""

import socket

import uvicorn
from fastapi import FastAPI

from quiver.errors import InputError


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


def run(app: FastAPI, bound: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first."""
    uvicorn.Server(configuration(app)).run([bound])


def configuration(app: FastAPI) -> uvicorn.Config:
    """How uvicorn runs: no log of requests, no banner in headers."""
    return uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
