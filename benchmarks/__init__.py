"""Benchmarks: what Quiver promises, measured against the libraries that people use today.

Run from the root of the repository; every command has ``--help`` and ``--json FILE``:

- ``python -m benchmarks.parity``: the numbers of transformers and sentence-transformers, any size
- ``python -m benchmarks.engine_parity``: vLLM's and servers' numbers beside the PyTorch engine's
- ``python -m benchmarks.planning``: ``quiver plan`` beside the run that it foresees
- ``python -m benchmarks.peak``: what the machine can do at best, the limit of all the others
- ``python -m benchmarks.throughput``: mixed real texts, against every library that is installed
- ``python -m benchmarks.short_query``: one query of 20 tokens, against every library that is installed
- ``python -m benchmarks.rerank_speed``: 100 documents for one query, against CrossEncoder
- ``python -m benchmarks.instruction_speed``: 100 queries under one instruction, against SentenceTransformer
- ``python -m benchmarks.cold_start``: seconds from the start of a process to its first vector
- ``python -m benchmarks.memory``: peak memory of a full batch, and time up to 32,768 tokens
- ``python -m benchmarks.endurance``: memory over 100,000 calls
- ``python -m benchmarks.precision``: bfloat16 and int8 beside float32, on trained weights and real texts
- ``python -m benchmarks.quality``: retrieval, similarity, classification; against BM25 and a teacher
- ``python -m benchmarks.serving``: `quiver serve` under load, beside its bare engine, vLLM and infinity
- ``python -m benchmarks.serving_endurance``: the memory of `quiver serve` over 100,000 requests
- ``python -m benchmarks.search_questions``: how often search finds the page that answers, in a tree of files
- ``python -m benchmarks.search_throughput``: how much of the engine's speed remains when files are indexed
- ``python -m benchmarks.search_quality``: retrieval sets through index, search and reranking
- ``python -m benchmarks.search_scale``: a million passages, beside LanceDB, FAISS and pgvector

Without a checkpoint they make one of the real shapes with random weights in a temporary folder: speed, memory
and parity do not depend on what the weights say. ``docs/benchmarks.md`` says what to install.
"""
