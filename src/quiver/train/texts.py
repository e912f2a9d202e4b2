"""Texts: rows to token sequences, through the very prompts and tokenizer that serving uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from quiver.models.checkpoint import Checkpoint
from quiver.text.prompts import DEFAULT_INSTRUCTION, PromptedText, Prompts
from quiver.text.sequences import Sequencer
from quiver.text.tokenizer import TextTokenizer, check_texts, read_definition
from quiver.text.truncation import LengthLimit
from quiver.train.rows import TrainingRow

ANSWERS = ("no", "yes")


@dataclass(slots=True)
class CutCount:
    """How many sequences were made, and how many of them lost their end to the limit."""

    sequences: int = 0
    cut: int = 0

    @property
    def share(self) -> float:
        """Of all sequences, those that were cut."""
        return self.cut / max(self.sequences, 1)


@dataclass(frozen=True, slots=True)
class SequenceMaker:
    """Prompted texts to tensors of token ids, cut to a length."""

    sequencer: Sequencer
    count: CutCount = field(default_factory=CutCount)

    def __call__(self, texts: Sequence[PromptedText]) -> list[Tensor]:
        """Token ids [length] of each text."""
        check_texts([text.text for text in texts])
        prepared = self.sequencer.limited(texts)
        self.count.sequences += len(prepared.sequences)
        self.count.cut += len(prepared.cuts)
        return [torch.from_numpy(sequence) for sequence in prepared.sequences]


@dataclass(frozen=True, slots=True)
class EmbedderTexts:
    """Queries and documents as ``Embedder`` sees them."""

    make: SequenceMaker
    prompts: Prompts

    @classmethod
    def of(cls, checkpoint: Checkpoint, max_length: int) -> "EmbedderTexts":
        """For the checkpoint's tokenizer and prompts."""
        tokenizer = TextTokenizer(read_definition(checkpoint.folder))
        limit = LengthLimit(min(max_length, checkpoint.config.max_length), "truncate")
        maker = SequenceMaker(Sequencer.for_embedder(tokenizer, limit))
        return cls(maker, Prompts.from_folder(checkpoint.folder))

    def query(self, row: TrainingRow) -> PromptedText:
        """As ``Embedder.encode_query``."""
        if row.instruction is None:
            return PromptedText(self.prompts.query, row.query)
        return PromptedText.instructed_query(row.instruction, row.query)

    def document(self, text: str) -> PromptedText:
        """As ``Embedder.encode_document``."""
        return PromptedText(self.prompts.document, text)


@dataclass(frozen=True, slots=True)
class RerankerTexts:
    """Pairs as ``Reranker`` sees them."""

    make: SequenceMaker
    answer_ids: tuple[int, int]

    @classmethod
    def of(cls, checkpoint: Checkpoint, max_length: int) -> "RerankerTexts":
        """For the checkpoint's tokenizer."""
        tokenizer = TextTokenizer(read_definition(checkpoint.folder))
        limit = LengthLimit(min(max_length, checkpoint.config.max_length), "truncate")
        no, yes = (tokenizer.token_id(answer) for answer in ANSWERS)
        return cls(SequenceMaker(Sequencer.for_reranker(tokenizer, limit)), (no, yes))

    def pair(self, row: TrainingRow, document: str) -> PromptedText:
        """As ``Reranker.predict``."""
        return PromptedText.reranker_body(row.instruction or DEFAULT_INSTRUCTION, row.query, document)
