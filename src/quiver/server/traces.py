"""Traces: spans of requests for OpenTelemetry, where its usual environment variables ask for them."""

import os
from importlib.util import find_spec

from starlette.types import ASGIApp

from quiver.errors import InputError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.asgi")


def are_wanted() -> bool:
    """Whether the environment names a place to send spans to."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def traced(app: ASGIApp) -> ASGIApp:
    """The application in spans that go to the endpoint of the environment.

    Spans hold routes, statuses and times, no bodies. Raises InputError if the packages are absent.
    """
    if not all(_is_installed(module) for module in NEEDED):
        raise InputError(f"{ENDPOINTS[0]} is set, but traces need: pip install 'quiver-embed[traces]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "quiver"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    wrapped: ASGIApp = OpenTelemetryMiddleware(
        app, tracer_provider=provider, exclude_spans=["receive", "send"]
    )
    return wrapped


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
