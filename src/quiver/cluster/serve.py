"""Serve: the server of ``quiver serve`` on Ray Serve, with as many copies as tokens wait.

    serve run quiver.cluster.serve:build embedder=Qwen/Qwen3-Embedding-0.6B most=8

Every copy is the whole application with its own batcher, and reports the tokens that no batch has taken yet.
"""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from quiver.embedder import Embedder
from quiver.models import catalog
from quiver.reranker import Reranker
from quiver.server.app import create_app
from quiver.server.models import OpenedModels, served_name
from quiver.server.self_test import self_test
from quiver.server.settings import Settings

NAME = "Quiver"
QUEUED_TOKENS = "queued_tokens"
BUILTIN = "builtin"
CALM_SECONDS = 60.0
"""With little in the queues, after which a copy is taken away."""


class Served(BaseModel):
    """What is served, and by how many; also the arguments of ``serve run quiver.cluster.serve:build``."""

    model_config = ConfigDict(extra="forbid")

    embedder: str | None = BUILTIN
    """Hub name, folder that all nodes reach, or ``builtin``; an empty one serves none."""
    reranker: str | None = None
    dtype: str = "auto"
    processors: int = Field(default=1, ge=1)
    """Of a copy, whose engines run so many threads."""
    least: int = Field(default=1, ge=1)
    """Copies, however little there is to do."""
    most: int = Field(default=4, ge=1)
    queued_tokens: int = Field(default=20_000, ge=1)
    """Waiting for each copy, beyond which there is another one."""
    api_keys: tuple[str, ...] = ()


class QueuedTokens:
    """Ray's policy: copies by the tokens in all queues, more at once, fewer after some calm."""

    def __init__(self, queued_tokens: int) -> None:
        self._each = queued_tokens

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  (Ray's context)
        """The number of copies, and what is remembered until the next look."""
        told: Mapping[Any, float] = (context.aggregated_metrics or {}).get(QUEUED_TOKENS, {})
        wanted = math.ceil(sum(told.values()) / self._each)
        now = float(context.current_time or 0.0)
        least, most = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
        copies = int(context.target_num_replicas)
        if wanted >= copies:
            return max(least, min(most, wanted)), {"calm_since": now}
        calm_since = float((context.policy_state or {}).get("calm_since", now))
        if now - calm_since < CALM_SECONDS:
            return max(least, min(most, copies)), {"calm_since": calm_since}
        return max(least, min(most, copies - 1)), {"calm_since": now}


def build(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401  (Ray's types)
    """The Ray Serve application of ``serve run`` and of its configuration files."""
    return application(Served.model_validate(dict(arguments)))


def application(served: Served) -> Any:  # noqa: ANN401  (Ray's types)
    """The application for ``ray.serve.run``."""
    from ray import serve
    from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

    deployment = serve.deployment(
        name=NAME,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": served.processors},
        autoscaling_config=AutoscalingConfig(
            min_replicas=served.least,
            max_replicas=served.most,
            policy=AutoscalingPolicy(
                policy_function=f"{__name__}:{QueuedTokens.__name__}",
                policy_kwargs={"queued_tokens": served.queued_tokens},
            ),
        ),
    )
    return deployment(serve.ingress()(Copy)).bind(served)


class Copy:
    """One copy of the server, in a process of the cluster."""

    def __init__(self, served: Served) -> None:
        self._served = served
        opened = _opened(served)
        self_test(opened)
        self._app = create_app(opened, Settings(api_keys=served.api_keys))

    def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401  (an ASGI application)
        """What Ray Serve hands requests to."""
        return self._app

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Tokens that no batch has taken, for the policy."""
        return {QUEUED_TOKENS: float(sum(each.waiting_tokens for each in self._app.state.batchers))}


def _opened(served: Served) -> OpenedModels:
    def path(name: str) -> str | None:
        return None if name == BUILTIN else name

    embeds, judges = path(served.embedder or BUILTIN), path(served.reranker or BUILTIN)
    return OpenedModels(
        embedder=Embedder(embeds, dtype=served.dtype) if served.embedder else None,
        embedder_name=served_name(embeds or catalog.BUILTIN_EMBEDDER),
        reranker=Reranker(judges, dtype=served.dtype) if served.reranker else None,
        reranker_name=served_name(judges or catalog.BUILTIN_RERANKER),
    )
