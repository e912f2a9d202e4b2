"""Run: uvicorn around the application."""

import uvicorn
from fastapi import FastAPI


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first."""
    uvicorn.Server(configuration(app, host, port)).run()


def configuration(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs: no log of requests, no banner in headers."""
    return uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False, ws="none"
    )
