PYTHON ?= .venv/bin/python

.PHONY: check test format baseline

check:  ## what CI checks besides the tests
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

baseline:  ## what the built-in models must reach, after they were replaced on purpose
	$(PYTHON) -m quiver evaluate tests/evaluate/gate/answers tests/evaluate/gate/alike \
	  --reranker builtin --rerank-top 10 --dtype float32 --allow-loss 0.01 \
	  --write-baseline tests/evaluate/gate/baseline.json

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
