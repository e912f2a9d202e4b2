"""The server on Ray Serve: the policy that counts copies, and a copy that answers."""

from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from quiver import Embedder
from quiver.cluster.serve import CALM_SECONDS, QUEUED_TOKENS, Copy, QueuedTokens, Served, build
from tests.cluster.conftest import Nodes

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray about itself


def look(policy: QueuedTokens, copies: int, tokens: list[float], now: float, state: Any) -> tuple[int, Any]:
    return policy(
        SimpleNamespace(
            aggregated_metrics={QUEUED_TOKENS: dict(enumerate(tokens))},
            current_time=now,
            target_num_replicas=copies,
            capacity_adjusted_min_replicas=1,
            capacity_adjusted_max_replicas=5,
            policy_state=state,
        )
    )


def test_copies_follow_the_tokens_that_wait() -> None:
    policy = QueuedTokens(queued_tokens=1000)
    copies, state = look(policy, 1, [500.0], 0.0, {})
    assert copies == 1
    copies, state = look(policy, copies, [2500.0], 10.0, state)
    assert copies == 3
    copies, state = look(policy, copies, [4000.0, 9000.0, 0.0], 20.0, state)
    assert copies == 5
    copies, state = look(policy, copies, [0.0] * 5, 30.0, state)
    assert copies == 5
    copies, state = look(policy, copies, [0.0] * 5, 30.0 + CALM_SECONDS, state)
    assert copies == 4
    copies, state = look(policy, copies, [900.0] * 4, 40.0 + CALM_SECONDS, state)
    assert copies == 4


def test_a_copy_reports_the_tokens_in_its_queue() -> None:
    copy = Copy(Served())
    assert copy.record_autoscaling_stats() == {QUEUED_TOKENS: 0.0}


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(ValidationError, match="embeder"):
        build({"embeder": "x"})


def test_a_copy_answers_on_the_cluster(nodes: Nodes) -> None:
    import ray
    from ray import serve

    ray.init(nodes.address, log_to_driver=False)
    body = {"input": ["ships sail"], "model": "quiver-embedding-mini:document", "encoding_format": "float"}
    try:
        serve.start(http_options={"port": 18731, "location": "HeadOnly"})
        serve.run(build({"embedder": "builtin", "api_keys": ["key"]}), name="quiver")
        here = "http://127.0.0.1:18731"
        ready = httpx.get(f"{here}/ready", timeout=60)
        refused = httpx.post(f"{here}/v1/embeddings", json=body, timeout=60)
        key = {"Authorization": "Bearer key"}
        answer = httpx.post(f"{here}/v1/embeddings", json=body, headers=key, timeout=60)
    finally:
        serve.shutdown()
        ray.shutdown()
    assert ready.json() == {"status": "ready"}
    assert refused.status_code == 401
    expected = Embedder().encode_document("ships sail")
    np.testing.assert_allclose(answer.json()["data"][0]["embedding"], expected, atol=1e-6)
