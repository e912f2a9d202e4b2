"""App: the ASGI application, put together from models, settings and dialects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

import quiver
from quiver.server.answers import answer
from quiver.server.batching.batcher import Batcher
from quiver.server.batching.limits import QueueLimits
from quiver.server.dialects import cohere, ollama, openai, own, reranking, tei, vllm
from quiver.server.errors import Refusal
from quiver.server.gate import Gate
from quiver.server.keys import KeyRing
from quiver.server.metrics import CONTENT_TYPE, Metrics
from quiver.server.models import OpenedModels, ServedModels, serve_models
from quiver.server.observed import Observed
from quiver.server.pages import add_pages
from quiver.server.route import refuse
from quiver.server.service import Service
from quiver.server.settings import Settings
from quiver.server.stopping import stops_in_two_steps

DIALECTS = (openai, cohere, reranking, tei, vllm, ollama, own)


class Status(BaseModel):
    """Whether the server is up."""

    status: str


def create_app(opened: OpenedModels, settings: Settings | None = None) -> FastAPI:
    """An application that serves models which have passed their self-test; its queues are in ``state``."""
    chosen = settings or Settings()
    models = serve_models(opened, QueueLimits(), chosen.aliases)
    gate = Gate(KeyRing(chosen.api_keys), chosen.limits)
    service = Service(models, chosen.limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batchers = _batchers(models)
        for batcher in batchers:
            batcher.start()
        gate.is_ready = True
        with stops_in_two_steps(gate, chosen.drain_seconds):
            yield
        gate.is_draining = True
        for batcher in batchers:
            await batcher.drain(chosen.drain_seconds)

    app = FastAPI(
        title="Quiver", version=quiver.__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    for dialect in DIALECTS:
        app.include_router(dialect.router(service, gate))
    _add_health(app, gate)
    add_pages(app)
    app.state.batchers = _batchers(models)
    metrics = Metrics(_batchers(models))
    _add_metrics(app, gate, metrics)
    app.add_middleware(Observed, metrics=metrics, write_line=chosen.write_line)
    if chosen.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=chosen.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )
    app.add_exception_handler(HTTPException, _no_such_route)
    return app


def _add_health(app: FastAPI, gate: Gate) -> None:
    @app.get("/health", response_model=Status, tags=["Health"])
    async def health() -> Response:
        """Whether the process is alive."""
        return answer({"status": "alive"})

    @app.get("/ready", response_model=Status, responses={503: {"model": Status}}, tags=["Health"])
    async def ready() -> Response:
        """Whether requests are accepted: models are loaded and tested, and the server is not stopping."""
        if gate.is_draining:
            return answer({"status": "draining"}, status=503)
        return answer(
            {"status": "ready" if gate.is_ready else "starting"}, status=200 if gate.is_ready else 503
        )


def _add_metrics(app: FastAPI, gate: Gate, metrics: Metrics) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def metrics_(request: Request) -> Response:
        try:
            gate.identify(request)
        except Refusal as refusal:
            return refuse(own.ERRORS, refusal)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}; see /openapi.json"
    kind = "not_found" if error.status_code == 404 else "invalid"
    error_ = {"type": kind, "message": message, "param": None, "code": kind}
    return answer(
        {"error": error_, "detail": message, "message": message},
        error.headers,
        status=error.status_code,
    )


def _batchers(models: ServedModels) -> list[Batcher]:
    served = (models.embedder, models.reranker)
    return [each.batcher for each in served if each is not None]
