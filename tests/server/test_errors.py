import orjson
import pytest

from quiver.errors import InputError, NumericalError, QuiverError, StoreError, TooLongError
from quiver.server.batching.call import DeadlineError, DrainingError, QueueFullError
from quiver.server.dialects import cohere, ollama, openai, own, reranking, tei, vllm
from quiver.server.errors import Refusal, as_refusal
from quiver.server.route import refuse
from quiver.server.settings import Limits, Settings

DIALECTS = (openai, cohere, reranking, tei, vllm, ollama, own)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("no such prompt"), 400),
        (TooLongError("too long"), 400),
        (Refusal("unknown_model", "not here"), 404),
        (QueueFullError("512 requests wait already; retry later", retry_after=2.4), 429),
        (NumericalError("not finite"), 500),
        (StoreError("damaged"), 500),
        (Refusal("draining", "stopping", retry_after=5), 503),
        (DrainingError("stopping"), 503),
        (DeadlineError("too late"), 504),
    ],
)
def test_every_error_has_its_status_and_says_why(error: QuiverError, status: int) -> None:
    for dialect in DIALECTS:
        refusal = as_refusal(error)
        response = refuse(dialect.ERRORS, refusal)
        body = bytes(response.body)
        assert str(error) in body.decode()
        dialect.ERRORS.schema.model_validate(orjson.loads(body))
        if dialect is not tei:
            assert response.status_code == status
        assert ("retry-after" in response.headers) == (refusal.retry_after is not None)


def test_teis_own_statuses() -> None:
    wanted = {"invalid": 422, "too_long": 413, "broken_result": 424, "overloaded": 429, "unknown_model": 404}
    for kind, status in wanted.items():
        assert tei.ERRORS.status(Refusal(kind, "no")) == status  # type: ignore[arg-type]


def test_retry_after_is_at_least_a_second() -> None:
    assert (
        refuse(
            own.ERRORS, as_refusal(QueueFullError("512 requests wait already; retry later", retry_after=0.1))
        ).headers["retry-after"]
        == "1"
    )


def test_limits_are_positive() -> None:
    with pytest.raises(InputError, match="items must be positive, not 0"):
        Settings(limits=Limits(items=0))
