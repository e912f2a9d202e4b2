"""How rare the vocabulary's entries are among the documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extract import Pair

_COUNTED = 60_000


def rarities(pairs: Sequence[Pair], tokenizer: Tokenizer) -> NDArray[np.float32]:
    """Give each entry's rarity among documents, between 0 and 1."""
    texts = [pair.document for pair in pairs[:_COUNTED]]
    counts = np.zeros(tokenizer.get_vocab_size())
    for encoding in tokenizer.encode_batch_fast(texts):
        counts[list(set(encoding.ids))] += 1
    found = np.log((len(texts) + 0.5) / (counts + 0.5)) / np.log(len(texts))
    shares: NDArray[np.float32] = found.clip(0, 1).astype(np.float32)
    return shares
