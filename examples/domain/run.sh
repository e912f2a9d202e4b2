#!/usr/bin/env bash
# Fits the built-in embedder to SQLite's documentation: bash examples/domain/run.sh DOCS WORK
set -euo pipefail
docs=$1 work=$2
here=$(dirname "$0")

python "$here/prepare.py" "$docs" "$work"
quiver train embedder "$work/pairs.jsonl" --evaluate "$work/dev.jsonl" --out "$work/model" \
  --last-layers 1 --max-steps 100 --max-length 320 --learning-rate 1e-3 --temperature 0.05 --no-within --bf16 \
  --save-every 50
quiver evaluate "$work/questions" --compare bm25
quiver evaluate "$work/questions" --model "$work/model"
