from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_HEAD_CHANNELS: int

class Prefix:
    @property
    def length(self) -> int: ...

class Model:
    def __init__(
        self,
        instruction_set: str,
        threads: int,
        precision: int,
        shape: Mapping[str, Any],
        embedding: npt.NDArray[np.uint8],
        embedding_element: int,
        layers: Sequence[tuple[object, ...]],
        final_norm: npt.NDArray[np.float32],
        frequencies: npt.NDArray[np.float32],
        rotation_scale: float,
        /,
    ) -> None: ...
    def run(
        self,
        token_ids: npt.NDArray[np.int32],
        boundaries: npt.NDArray[np.int64],
        prefixes: Sequence[Any],
        rows: npt.NDArray[np.int64],
        out: npt.NDArray[np.float32],
    ) -> None: ...
    def keep(
        self,
        token_ids: npt.NDArray[np.int32],
        boundaries: npt.NDArray[np.int64],
        prefixes: Sequence[Any],
    ) -> list[Prefix]: ...

def pack(
    instruction_set: str,
    threads: int,
    sources: Sequence[tuple[npt.NDArray[np.uint8], int, int]],
    source: npt.NDArray[np.int32],
    row: npt.NDArray[np.int32],
    column: npt.NDArray[np.int32],
    element: int,
    input_sizes: npt.NDArray[np.float32],
    panels: npt.NDArray[np.uint8],
    scale: npt.NDArray[np.float32],
    sums: npt.NDArray[np.int32],
    input_scale: npt.NDArray[np.float32],
    /,
) -> bool: ...
def instruction_sets() -> list[str]: ...
def multiplies_bfloat16(instruction_set: str, /) -> bool: ...
