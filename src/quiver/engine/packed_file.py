"""A packed file: all packed matrices of a model, to be mapped by every process that runs it.

It is a safetensors file whose header is filled up with spaces, so that every matrix begins at a cache line.
The header follows from what is packed: a reader knows it beforehand, compares it whole and parses nothing. It
is written last, so a file that was cut short never has it.
"""

import dataclasses
import hashlib
import json
import mmap
import os
import struct
from itertools import accumulate
from typing import BinaryIO

import numpy as np

from quiver.engine.native_weights import LAYOUT_VERSION, PackedMatrix, Packer
from quiver.models.contents import contents_digest

LINE = 64


class PackedFormat:
    """What the packed file of a checkpoint in one precision holds, and where."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._contents = contents_digest(packer.checkpoint)
        config = dataclasses.asdict(packer.checkpoint.config)
        content = [LAYOUT_VERSION, self._contents, packer.precision, config]
        self.key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        """Digest of all that the panels depend on"""
        self._header = _header(packer, self.key)
        self.size = len(self._header) + packer.size

    def is_current(self) -> bool:
        """Whether the checkpoint still has the contents that the key tells."""
        return contents_digest(self._packer.checkpoint) == self._contents

    def map(self, stream: BinaryIO) -> list[PackedMatrix] | None:
        """The matrices of a file, which stays mapped as long as they are used; None if it is not whole."""
        if os.fstat(stream.fileno()).st_size != self.size or stream.read(len(self._header)) != self._header:
            return None
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.madvise(mmap.MADV_WILLNEED)
        memory = np.frombuffer(mapped, np.uint8)
        shapes = list(self._packer.shapes.values())
        firsts = accumulate((shape.size for shape in shapes[:-1]), initial=len(self._header))
        return [s.view(memory[first : first + s.size]) for s, first in zip(shapes, firsts, strict=True)]

    def write(self, stream: BinaryIO) -> None:
        """Pack into an empty file, one matrix at a time in memory, and put it on the disk.

        It is written and not mapped: a disk that fills up is then an OSError instead of a signal.
        """
        stream.seek(len(self._header))
        for name in self._packer.shapes:
            stream.write(self._packer.pack(name).data)
        _flush_to_disk(stream)
        stream.seek(0)
        stream.write(self._header)
        _flush_to_disk(stream)


def _header(packer: Packer, key: str) -> bytes:
    ends = list(accumulate(shape.size for shape in packer.shapes.values()))
    entries: dict[str, object] = {
        name: {"dtype": "U8", "shape": [shape.size], "data_offsets": [end - shape.size, end]}
        for (name, shape), end in zip(packer.shapes.items(), ends, strict=True)
    }
    about = {"packed_for": "quiver", "precision": packer.precision, "key": key}
    text = json.dumps({"__metadata__": about} | entries).encode()
    text += b" " * (-(8 + len(text)) % LINE)
    return struct.pack("<Q", len(text)) + text


def _flush_to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
