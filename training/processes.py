"""Training in several processes, each with one thread: none ever waits for another's threads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

Learning = Callable[[int, argparse.Namespace], None]
"""What each process does, given its rank"""


def learning_parser(description: str | None, steps: int) -> argparse.ArgumentParser:
    """Give a parser of what every training takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--processes", type=int, default=2)
    return parser


def together(learn: Learning, arguments: argparse.Namespace) -> None:
    """Learn in as many processes as the arguments say, which may share their gradients."""
    with TemporaryDirectory() as folder:
        spawn(_joined, (learn, arguments, Path(folder) / "meeting"), nprocs=arguments.processes)


def _joined(rank: int, learn: Learning, arguments: argparse.Namespace, meeting: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=arguments.processes)
    learn(rank, arguments)
