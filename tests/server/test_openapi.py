"""The OpenAPI document tells the truth: no answer but those it lists, none of them a failure of ours."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from quiver.server.app import create_app
from quiver.server.models import OpenedModels
from tests.server.running import Running

EXAMPLES = 15
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS: list[Any] = [
    result.ok()  # type: ignore[union-attr]
    for result in schemathesis.openapi.from_dict(create_app(OpenedModels()).openapi()).get_all_operations()
]


GOOD, BAD = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [(each, mode) for each in OPERATIONS for mode in (GOOD, BAD) if mode is GOOD or each.method == "post"]


@pytest.mark.parametrize(
    ("operation", "mode"), CASES, ids=[f"{operation.label} {mode.name}" for operation, mode in CASES]
)
def test_every_answer_is_documented(
    server: Running, operation: Any, mode: schemathesis.GenerationMode
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def check(case: Any) -> None:
        name_a_served_model(case)
        case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=30)

    check()


def name_a_served_model(case: Any) -> None:
    """Any other name would be the end of the request."""
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        reranks = "rerank" in case.path or "score" in case.path
        case.body["model"] = "quiver-reranker-mini" if reranks else "quiver-embedding-mini"
