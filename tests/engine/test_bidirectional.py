"""Checkpoints with ``"is_causal": false``: every token attends to its whole text, before and after.

Held against transformers on random weights. A token's state then depends on all that follows, so nothing but
whole, equal texts can be computed once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen3ForCausalLM, Qwen3Model

from quiver.engine.base import Batch, Engine, Floats
from quiver.engine.execute import plan_and_run, plan_steps
from quiver.engine.plan import Usage
from quiver.engine.torch import TorchEngine
from quiver.engine.torch_device import resolve_precision
from quiver.models.checkpoint import open_checkpoint
from quiver.text.tokenizer import TokenIds
from tests.checkpoints import edit_json, write_checkpoint
from tests.engine.oracle import cosines, random_sequences, reference_rows

native = pytest.importorskip("quiver.engine.native", reason="no extension here", exc_type=ImportError)

OpenEngine = Callable[..., Engine]

LENGTHS = (1, 2, 3, 3, 31, 32, 33, 64, 65, 127, 128, 129, 300, 700)
"""Around the borders of units (32), blocks of queries (64) and blocks of keys (128), and over several."""


def open_native(folder: Path, dtype: str = "float32", **options: Any) -> Engine:
    engine: Engine = native.NativeEngine(open_checkpoint(folder), dtype, **options)
    return engine


def open_torch(folder: Path, dtype: str = "float32", **options: Any) -> Engine:
    return TorchEngine(open_checkpoint(folder), resolve_precision("cpu", dtype), **options)


both_engines = pytest.mark.parametrize("open_engine", [open_native, open_torch])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "both-ways-embedding", is_causal=False)


def common_beginning(count: int, length: int = 40) -> list[TokenIds]:
    """Texts behind the same instruction, the first of them twice."""
    instruction, *texts = random_sequences((length, *range(5, 5 + count)))
    sequences = [np.concatenate([instruction, text]) for text in texts]
    return [*sequences, sequences[0].copy()]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_reference_reads_both_ways(folder: Path, attention: str) -> None:
    """Without a mask, transformers' SDPA would fall back to the layer's own ``is_causal``, which is true."""
    model = Qwen3Model.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention).eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        first, same_but_the_end = (model(each).last_hidden_state[0, 0] for each in (ids, ids.clamp(max=18)))
    assert (first - same_but_the_end).abs().max() > 0.01


@both_engines
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 8},
        {"hidden_size": 48, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 24},
        {"num_hidden_layers": 1},
    ],
)
def test_rows_are_transformers_rows(tmp_path: Path, open_engine: OpenEngine, shape: dict[str, Any]) -> None:
    folder = write_checkpoint(tmp_path / "model", is_causal=False, **shape)
    sequences = random_sequences(LENGTHS)
    rows, _ = plan_and_run(open_engine(folder), sequences)
    np.testing.assert_allclose(rows, reference_rows(folder, sequences), atol=2e-5)


@both_engines
def test_any_rows_can_be_asked_for(folder: Path, open_engine: OpenEngine) -> None:
    """The first row of a text knows its end."""
    sequences = random_sequences((5, 200, 9))
    model = Qwen3Model.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        states = [model(torch.tensor(s[None].astype(np.int64))).last_hidden_state[0] for s in sequences]
    batch = Batch(np.concatenate(sequences), np.array([0, 5, 205, 214]), [None] * 3)
    wanted = np.array([0, 4, 5, 100, 204, 205, 213])
    rows = open_engine(folder).run(batch, wanted)
    np.testing.assert_allclose(rows, torch.cat(states).numpy()[wanted], atol=2e-5)


@both_engines
def test_a_rerankers_logits_are_transformers_logits(tmp_path: Path, open_engine: OpenEngine) -> None:
    folder = write_checkpoint(tmp_path / "model", "reranker", is_causal=False)
    sequences = random_sequences(LENGTHS)
    logits, _ = plan_and_run(open_engine(folder, answer_ids=(7, 3)), sequences)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = [model(torch.tensor(s[None].astype(np.int64))).logits[0, -1, [7, 3]] for s in sequences]
    np.testing.assert_allclose(logits, torch.stack(expected).numpy(), atol=5e-5)


@pytest.mark.parametrize(
    ("open_engine", "dtype"), [(open_native, "bfloat16"), (open_native, "int8"), (open_torch, "bfloat16")]
)
def test_narrow_precisions_stay_close(folder: Path, open_engine: OpenEngine, dtype: str) -> None:
    rows, _ = plan_and_run(open_engine(folder, dtype), random_sequences(LENGTHS))
    assert cosines(rows, reference_rows(folder, random_sequences(LENGTHS))).min() >= 0.99


def test_every_instruction_set_reads_both_ways(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = random_sequences(LENGTHS)
    expected = reference_rows(folder, sequences)
    for name in native._native.instruction_sets():
        monkeypatch.setenv("QUIVER_ISA", name)
        np.testing.assert_allclose(plan_and_run(open_native(folder), sequences)[0], expected, atol=2e-5)


@pytest.mark.parametrize("said", [True, None], ids=["true", "absent"])
@both_engines
def test_what_does_not_say_so_is_causal(
    embedder_folder: Path, tmp_path: Path, open_engine: OpenEngine, said: bool | None
) -> None:
    folder = write_checkpoint(tmp_path / "model", is_causal=False)
    edit_json(folder / "config.json", is_causal=said)
    sequences = random_sequences(LENGTHS)
    found, _ = plan_and_run(open_engine(folder), sequences)
    np.testing.assert_array_equal(found, plan_and_run(open_engine(embedder_folder), sequences)[0])


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=8),
    budget=st.integers(1, 600),
    threads=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "bfloat16", "int8"]),
)
def test_a_text_gives_the_same_bits_in_any_company(
    folder: Path, lengths: list[int], budget: int, threads: int, dtype: str
) -> None:
    """Alone, in any batch, under any token budget, with any number of threads."""
    sequences = random_sequences(lengths)
    engine = open_native(folder, dtype, threads=threads, token_budget=budget)
    together, _ = plan_and_run(engine, sequences)
    usual = open_native(folder, dtype, threads=1)
    for sequence, row in zip(sequences, together, strict=True):
        np.testing.assert_array_equal(plan_and_run(usual, [sequence])[0][0], row)


def test_texts_that_fill_several_groups_give_the_same_bits(folder: Path) -> None:
    """More texts and longer ones than go through a layer together."""
    sequences = random_sequences((1, 2, 3) * 200 + (2100, 40, 1500, 700))
    together, _ = plan_and_run(open_native(folder, token_budget=10_000), sequences)
    for index in (0, 1, 2, 300, 599, 600, 601, 602, 603):
        np.testing.assert_array_equal(
            plan_and_run(open_native(folder), [sequences[index]])[0][0], together[index]
        )


@both_engines
def test_only_equal_texts_are_computed_once(folder: Path, open_engine: OpenEngine) -> None:
    sequences = common_beginning(4)
    rows, usage = plan_and_run(open_engine(folder), sequences)
    given = sum(map(len, sequences))
    assert usage == Usage(given, given - len(sequences[-1]))
    np.testing.assert_allclose(rows, reference_rows(folder, sequences), atol=2e-5)
    np.testing.assert_array_equal(rows[0], rows[-1])


@both_engines
@pytest.mark.parametrize("step_tokens", [None, 1, 20, 100])
def test_a_text_beyond_the_budget_runs_alone_and_whole(
    folder: Path, open_engine: OpenEngine, step_tokens: int | None
) -> None:
    """Also where a server asks for short steps, which would cut a causal text into parts."""
    sequences = [*random_sequences((200, 7, 150)), *common_beginning(2)]
    steps = list(plan_steps(open_engine(folder, token_budget=120), sequences, step_tokens))
    assert {200, 150} <= {ended.tokens for ended in steps}
    rows: dict[int, Floats] = {}
    for ended in steps:
        rows.update(zip(ended.sequences, ended.rows, strict=True))
    found = np.stack([rows[position] for position in range(len(sequences))])
    np.testing.assert_allclose(found, reference_rows(folder, sequences), atol=2e-5)
