#!/usr/bin/env bash
# Fits the built-in embedder to SQLite's documentation: bash examples/domain/run.sh DOCS WORK
set -euo pipefail
docs=$1 work=$2
here=$(dirname "$0")

python "$here/prepare.py" "$docs" "$work"
quiver train mine "$work/pairs.jsonl" --output "$work/rows.jsonl" --max-length 512 --truncate
quiver train embedder "$work/rows.jsonl" --evaluate "$work/dev.jsonl" --out "$work/model" \
  --epochs 3 --batch-size 64 --learning-rate 1e-5 --save-every 20 --patience 5
quiver evaluate "$work/questions" --compare bm25
quiver evaluate "$work/questions" --model "$work/model"
