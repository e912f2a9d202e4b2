"""LanceDB: Quiver as the embedding function ``quiver`` of a table, known once this module is imported."""

from typing import Any

from quiver.integrations.extra import missing

try:
    from lancedb.embeddings import EmbeddingFunction, register
    from lancedb.embeddings.utils import TEXT
except ModuleNotFoundError as error:
    raise missing("lancedb", "search") from error

import numpy as np

from quiver.errors import FingerprintMismatch
from quiver.integrations.settings import EmbedderSettings, encode_documents, encode_queries, open_embedder
from quiver.models.fingerprint import Fingerprint
from quiver.results import Floats


@register("quiver")
class QuiverEmbeddingFunction(EmbedderSettings, EmbeddingFunction):
    """Vectors of an embedding model: queries behind their instruction, the source column bare.

    A table remembers the fingerprint of its vectors and refuses another model's, when it is opened again.
    """

    name: str | None = None
    """A hub name or a folder; None is the built-in model."""
    fingerprint: str | None = None
    """What the vectors of the table depend on; a new table's is written by itself."""

    def ndims(self) -> int:
        """Length of the vectors."""
        return self.truncate_dim or open_embedder(self.name, self).embedding_dim

    def compute_query_embeddings(self, query: TEXT, *args: object, **kwargs: object) -> list[Floats | None]:
        """Vectors of queries."""
        self._check()
        return [np.asarray(row) for row in encode_queries(self.name, self, list(self.sanitize_input(query)))]

    def compute_source_embeddings(self, texts: TEXT, *args: object, **kwargs: object) -> list[Floats | None]:
        """Vectors of documents; None where there is no text."""
        self._check()
        given = list(self.sanitize_input(texts))
        rows = iter(encode_documents(self.name, self, [text for text in given if text is not None]))
        return [None if text is None else np.asarray(next(rows)) for text in given]

    def compute_query_embeddings_with_retry(
        self, query: TEXT, *args: object, **kwargs: object
    ) -> list[Floats | None]:
        """The same at once: what fails on this machine fails again."""
        return self.compute_query_embeddings(query)

    def compute_source_embeddings_with_retry(
        self, texts: TEXT, *args: object, **kwargs: object
    ) -> list[Floats | None]:
        """The same at once: what fails on this machine fails again."""
        return self.compute_source_embeddings(texts)

    def safe_model_dump(self) -> dict[str, Any]:
        """What LanceDB writes down with the table."""
        given: dict[str, Any] = super().safe_model_dump()  # type: ignore[no-untyped-call]
        return given | {"fingerprint": self.fingerprint or str(self._own_fingerprint())}

    def _own_fingerprint(self) -> Fingerprint:
        return open_embedder(self.name, self).fingerprint.with_dimension(self.ndims())

    def _check(self) -> None:
        if self.fingerprint is None:
            return
        try:
            self._own_fingerprint().check(Fingerprint.parse(self.fingerprint))
        except FingerprintMismatch as error:
            raise FingerprintMismatch(
                f"the table's vectors were made with {self.fingerprint} and this model is "
                f"{self._own_fingerprint()}: {error}; take the model and the dtype that made them, or fill a "
                "new table"
            ) from error
