"""A Ray cluster of several nodes on this machine, made once: it takes seconds to start."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'quiver-embed[ray]'")

REPOSITORY = Path(__file__).parents[2]


class Nodes:
    """A head without processors, so that all work is on nodes that can be lost."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "object_store_memory": 200 << 20,
            },
        )
        self.workers = [self.add() for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=100 << 20)

    def kill(self) -> None:
        """As if the power went: no process of the node says good-bye."""
        self.cluster.remove_node(self.workers.pop(), allow_graceful=False)

    def mend(self) -> None:
        """Two nodes again."""
        while len(self.workers) < 2:
            self.workers.append(self.add())
        self.cluster.wait_for_nodes()


@pytest.fixture(scope="package")
def nodes() -> Iterator[Nodes]:
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), path]))
    started = Nodes()
    yield started
    ray.shutdown()
    started.cluster.shutdown()
    os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)
