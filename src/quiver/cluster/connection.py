"""Connection: joining a Ray cluster for the length of a job."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from quiver.cluster.extra import check_installed
from quiver.errors import ClusterError

LOCAL = "local"
"""The address of a cluster of this machine alone, which begins and ends with the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How a job is spread."""

    address: str = "auto"
    """``HOST:PORT``, ``ray://HOST:10001``, ``auto`` (the cluster of this machine) or ``local``."""
    most: int | None = None
    """Workers at once; None takes as many as the cluster has processors for."""
    processors: int = 1
    """Of a worker; its engine runs so many threads."""


@contextmanager
def joined(workers: Workers) -> Iterator[int]:
    """Be connected to the cluster; gives the number of workers.

    Raises ClusterError if it cannot be reached or has too few processors for one worker.
    """
    check_installed()
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns where this is not said
    import ray

    was_joined = ray.is_initialized()
    if not was_joined:
        try:
            ray.init(workers.address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ClusterError(
                f"the Ray cluster {workers.address} cannot be joined: {reason}; start one with: "
                "ray start --head"
            ) from error
    try:
        resources: dict[str, float] = ray.cluster_resources()
        yield _fitting(workers, int(resources.get("CPU", 0)))
    finally:
        if not was_joined:
            ray.shutdown()


def quiet_data() -> None:
    """Let Ray Data be silent: the command tells what happens."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _fitting(workers: Workers, processors: int) -> int:
    possible = processors // workers.processors
    if possible < 1:
        raise ClusterError(
            f"the Ray cluster {workers.address} has {processors} processors, and a worker asks for "
            f"{workers.processors}; ask for fewer with --ray-cpus"
        )
    return possible if workers.most is None else min(workers.most, possible)
