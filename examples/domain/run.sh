#!/usr/bin/env bash
# Fits the built-in embedder to SQLite's documentation: bash examples/domain/run.sh DOCS WORK
set -euo pipefail
docs=$1 work=$2
here=$(dirname "$0")

python "$here/prepare.py" "$docs" "$work"
quiver train embedder "$work/pairs.jsonl" --evaluate "$work/dev.jsonl" --out "$work/model" \
  --max-steps 20 --max-length 128 --learning-rate 1e-5 --bf16 --save-every 10
quiver evaluate "$work/questions" --compare bm25
quiver evaluate "$work/questions" --model "$work/model"
