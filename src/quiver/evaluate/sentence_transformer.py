"""Any SentenceTransformer as an encoder, with the prompts that its own configuration names."""

from collections.abc import Sequence
from typing import Any

from quiver.errors import InputError
from quiver.results import Floats
from quiver.text.prompts import query_prompt


class SentenceTransformerEncoder:
    """A ``sentence_transformers.SentenceTransformer``, or a folder or hub name to open one from.

    Models whose query prompt begins with ``Instruct:`` (Qwen3, E5-instruct) are given each set's
    instruction; all others keep their own query prompt for queries and for symmetric sets.
    """

    def __init__(self, model: Any, *, device: str | None = None) -> None:  # noqa: ANN401
        self.identity = str(model) if isinstance(model, str) else ""
        self._model = _open(model, device) if isinstance(model, str) else model
        self._instructed = (self._model.prompts.get("query") or "").startswith("Instruct:")

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        """Vectors of queries; instructions of one text each run in groups."""
        options: dict[str, Any] = {"show_progress_bar": show_progress_bar}
        if instruction is None or not self._instructed:
            return self._encode_query(texts, options)
        if isinstance(instruction, str):
            return self._encode_query(texts, {**options, "prompt": query_prompt(instruction)})
        prompted = [query_prompt(before) + text for before, text in zip(instruction, texts, strict=True)]
        return self._encode_query(prompted, {**options, "prompt": ""})

    def encode_document(self, texts: Sequence[str], *, show_progress_bar: bool | None = None) -> Floats:
        """Vectors of documents."""
        found: Floats = self._model.encode_document(list(texts), show_progress_bar=show_progress_bar)
        return found

    def _encode_query(self, texts: Sequence[str], options: dict[str, Any]) -> Floats:
        found: Floats = self._model.encode_query(list(texts), **options)
        return found


def _open(name: str, device: str | None) -> Any:  # noqa: ANN401
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise InputError(
            "comparing with sentence-transformers needs it: pip install sentence-transformers"
        ) from error
    try:
        return SentenceTransformer(name, device=device)
    except (OSError, ValueError) as error:
        raise InputError(f"sentence-transformers cannot open {name}: {error}") from error
