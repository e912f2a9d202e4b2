"""Self-test: a model that does not give the numbers it should is not served."""

from quiver.doctor import examine_opened
from quiver.errors import QuiverError
from quiver.server.errors import SelfTestError
from quiver.server.models import OpenedModels


def self_test(opened: OpenedModels) -> None:
    """Run doctor's checks (end token, template, finite, batch invariance, golden scores) on every model.

    Raises SelfTestError, naming what differs.
    """
    named = ((opened.embedder_name, opened.embedder), (opened.reranker_name, opened.reranker))
    for name, model in named:
        if model is None:
            continue
        try:
            diagnosis = examine_opened(model)
        except QuiverError as error:
            raise SelfTestError(f"{name} is not served: its self-test could not run: {error}") from error
        failed = [f"{check.name}: {check.detail}" for check in diagnosis.checks if check.passed is False]
        if failed:
            raise SelfTestError(
                f"{name} is not served, since its self-test failed: {'; '.join(failed)}. See: quiver doctor"
            )
