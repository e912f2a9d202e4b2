"""The libraries Quiver is measured against, each used as its own documentation says.

``TransformersEmbedder`` and ``TransformersReranker`` are the model card's code, function by function;
``open_sentence_transformer`` and ``open_cross_encoder`` load the same folder in sentence-transformers.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.command import need
from quiver.results import Floats
from quiver.text.prompts import DEFAULT_INSTRUCTION, RERANKER_PREFIX, RERANKER_SUFFIX

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

CARD_MAX_LENGTH = 8192
"""Tokens at which the model card's code cuts."""

CHAT_TEMPLATE = (
    "{% set task = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first "
    "| default(" + repr(DEFAULT_INSTRUCTION) + ") %}"
    "{% set query = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first %}"
    "{% set document = messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first %}"
    "{{ " + repr(RERANKER_PREFIX) + " + '<Instruct>: ' + task + '\\n<Query>: ' + query"
    " + '\\n<Document>: ' + document + " + repr(RERANKER_SUFFIX) + " }}"
)
"""The published template, as a chat template with sentence-transformers' roles for pairs."""

Pair = tuple[str, str]


class TransformersEmbedder:
    """The model card's embedding code on one checkpoint, in float32."""

    def __init__(self, folder: Path) -> None:
        transformers = quiet_transformers()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def tokenize(self, text: str) -> list[int]:
        """The sequence of one text."""
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids

    @torch.no_grad()
    def run(self, input_texts: Sequence[str], batch_size: int = 1) -> Floats:
        """Unit vectors of texts whose prompts are in them: [N, E]."""
        found = [self._encode_batch(batch) for batch in _batches(input_texts, batch_size)]
        return np.concatenate(found)

    def _encode_batch(self, input_texts: Sequence[str]) -> Floats:
        batch_dict = self.tokenizer(
            list(input_texts), padding=True, truncation=True, max_length=CARD_MAX_LENGTH, return_tensors="pt"
        )
        outputs = self.model(**batch_dict)
        embeddings = last_token_pool(outputs.last_hidden_state, batch_dict["attention_mask"])
        vectors: Floats = F.normalize(embeddings, p=2, dim=1).numpy()
        return vectors


def last_token_pool(last_hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    """The model card's pooling."""
    left_padding = attention_mask[:, -1].sum() == attention_mask.shape[0]
    if left_padding:
        return last_hidden_states[:, -1]
    sequence_lengths = attention_mask.sum(dim=1) - 1
    batch_size = last_hidden_states.shape[0]
    return last_hidden_states[torch.arange(batch_size, device=last_hidden_states.device), sequence_lengths]


class TransformersReranker:
    """The model card's reranking code on one checkpoint, in float32."""

    def __init__(self, folder: Path) -> None:
        transformers = quiet_transformers()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._false_id = self.tokenizer.convert_tokens_to_ids("no")
        self._true_id = self.tokenizer.convert_tokens_to_ids("yes")
        self._prefix = self.tokenizer.encode(RERANKER_PREFIX, add_special_tokens=False)
        self._suffix = self.tokenizer.encode(RERANKER_SUFFIX, add_special_tokens=False)

    def tokenize(self, pair: Pair) -> list[int]:
        """The sequence of one pair."""
        ids: list[int] = self.process_inputs([format_instruction(None, *pair)])["input_ids"][0].tolist()
        return ids

    def run(self, pairs: Sequence[Pair], batch_size: int = 1) -> Floats:
        """Probabilities of "yes": [N]."""
        texts = [format_instruction(None, query, document) for query, document in pairs]
        scores: list[float] = []
        for batch in _batches(texts, batch_size):
            scores += self.compute_logits(self.process_inputs(batch))
        return np.asarray(scores, dtype=np.float32)

    def process_inputs(self, pairs: Sequence[str]) -> Any:  # noqa: ANN401  (transformers' BatchEncoding)
        """The model card's function: bodies between prefix and suffix, padded."""
        inputs = self.tokenizer(
            list(pairs),
            padding=False,
            truncation="longest_first",
            return_attention_mask=False,
            max_length=CARD_MAX_LENGTH - len(self._prefix) - len(self._suffix),
        )
        for i, ids in enumerate(inputs["input_ids"]):
            inputs["input_ids"][i] = self._prefix + ids + self._suffix
        return self.tokenizer.pad(inputs, padding=True, return_tensors="pt", max_length=CARD_MAX_LENGTH)

    @torch.no_grad()
    def compute_logits(self, inputs: Any) -> list[float]:  # noqa: ANN401
        """The model card's function: the share of "yes" among the two answers."""
        batch_scores = self.model(**inputs).logits[:, -1, :]
        true_vector = batch_scores[:, self._true_id]
        false_vector = batch_scores[:, self._false_id]
        batch_scores = torch.stack([false_vector, true_vector], dim=1)
        batch_scores = F.log_softmax(batch_scores, dim=1)
        scores: list[float] = batch_scores[:, 1].exp().tolist()
        return scores


def format_instruction(instruction: str | None, query: str, doc: str) -> str:
    """The model card's function: the user's turn of one pair."""
    task = DEFAULT_INSTRUCTION if instruction is None else instruction
    return f"<Instruct>: {task}\n<Query>: {query}\n<Document>: {doc}"


def open_sentence_transformer(folder: Path, dtype: str = "float32") -> Callable[[Sequence[str], int], Floats]:
    """SentenceTransformer on the folder: (texts with their prompts, batch size) to unit vectors."""
    quiet_transformers()
    library = need("sentence_transformers")
    model = library.SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": DTYPES[dtype]})

    def encode(texts: Sequence[str], batch_size: int) -> Floats:
        vectors: Floats = model.encode(
            list(texts), batch_size=batch_size, prompt="", show_progress_bar=False, normalize_embeddings=True
        )
        return vectors

    return encode


def open_cross_encoder(folder: Path, dtype: str = "float32") -> Callable[[Sequence[Pair], int], Floats]:
    """CrossEncoder on the folder: (pairs, batch size) to probabilities of "yes".

    sentence-transformers reads the logits of "yes" and "no" of a causal model at the last position only; a
    plain folder lacks the chat template that carries the pair, so it is given here.
    """
    quiet_transformers()
    library = need("sentence_transformers")
    model = library.CrossEncoder(
        str(folder),
        device="cpu",
        model_kwargs={"dtype": DTYPES[dtype]},
        processor_kwargs={"chat_template": CHAT_TEMPLATE},
        activation_fn=torch.nn.Sigmoid(),
    )

    def predict(pairs: Sequence[Pair], batch_size: int) -> Floats:
        scores: Floats = model.predict(list(pairs), batch_size=batch_size, show_progress_bar=False)
        return scores

    return predict


def _batches(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def quiet_transformers() -> ModuleType:
    """The library without its bars and its advice."""
    transformers = need("transformers")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message="`max_length` is ignored when")  # the model card's own call
    return transformers
