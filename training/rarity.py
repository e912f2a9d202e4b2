"""How rare the vocabulary's words are among the documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

_AT_ONCE = 5_000


def rarities(documents: Sequence[str], tokenizer: Tokenizer, words: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each entry the rarity of its word among documents, between 0 and 1."""
    counts = np.zeros(int(words.max()) + 1)
    for start in range(0, len(documents), _AT_ONCE):
        for encoding in tokenizer.encode_batch_fast(documents[start : start + _AT_ONCE]):
            counts[np.unique(words[encoding.ids])] += 1
    found = np.log((len(documents) + 0.5) / (counts + 0.5)) / np.log(len(documents))
    shares: NDArray[np.float32] = found.clip(0, 1).astype(np.float32)
    return shares[words]
