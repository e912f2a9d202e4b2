"""Checkpoint: the files of one model, checked before anything runs.

Weights come from safetensors only; nothing in a checkpoint is ever executed.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from quiver.errors import CheckpointError, ModelKindError
from quiver.models import hub
from quiver.models.catalog import BUILTIN_EMBEDDER, BUILTIN_RERANKER, ModelKind
from quiver.models.config import ModelConfig, read_config
from quiver.models.json_file import read_json
from quiver.models.kind import check_modules, detect_kind

ELEMENT_SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}

_SINGLE_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies: ``offset`` bytes into ``file``, under ``stored_name`` there."""

    file: Path
    stored_name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Bytes in the file."""
        size = ELEMENT_SIZES[self.dtype]
        for extent in self.shape:
            size *= extent
        return size


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole and consistent model folder; ``tensors`` go by names without the ``model.`` prefix."""

    name: str
    folder: Path
    kind: ModelKind
    config: ModelConfig
    tensors: Mapping[str, TensorEntry]

    @property
    def head(self) -> str | None:
        """The tensor that turns a reranker's hidden row into logits; None for an embedder."""
        if self.kind == "embedder":
            return None
        if self.config.labels:
            return "score.weight"
        return "embed_tokens.weight" if self.config.tied_embeddings else "lm_head.weight"


def open_checkpoint(
    model: str | Path | None,
    kind: ModelKind | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
    weights: bool = True,
) -> Checkpoint:
    """Find a model and check its files; ``None`` is the built-in model of that kind.

    Without ``weights`` these may be absent, and ``tensors`` is empty: a server has them.

    Raises CheckpointError for absent, foreign or damaged files, ModelKindError for the wrong kind.
    """
    if model is None:
        model = BUILTIN_RERANKER if kind == "reranker" else BUILTIN_EMBEDDER
    name = str(model)
    folder = hub.locate(model, revision=revision, token=token, weights=weights)
    config = read_config(folder)
    found = detect_kind(folder, config, name)
    if kind is not None and found != kind:
        other = "Reranker (quiver rerank)" if found == "reranker" else "Embedder (quiver embed)"
        article = "a" if found == "reranker" else "an"
        wanted = "scores" if kind == "reranker" else "vectors"
        raise ModelKindError(f"{name} is {article} {found} and gives no {wanted}; use it with {other}")
    if found == "embedder":
        check_modules(folder)
    if not weights:
        return Checkpoint(name, folder, found, config, {})
    checkpoint = Checkpoint(name, folder, found, config, _index_tensors(folder))
    _check_tensors(checkpoint)
    return checkpoint


def expected_tensors(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the body's tensors (the heads aside)."""
    hidden, inner, head = config.hidden_size, config.intermediate_size, config.head_dim
    query, key_value = config.query_size, config.key_value_size
    yield "embed_tokens.weight", (config.vocabulary, hidden)
    for layer in range(config.layers):
        for name, shape in (
            ("input_layernorm", (hidden,)),
            ("self_attn.q_proj", (query, hidden)),
            ("self_attn.k_proj", (key_value, hidden)),
            ("self_attn.v_proj", (key_value, hidden)),
            ("self_attn.q_norm", (head,)),
            ("self_attn.k_norm", (head,)),
            ("self_attn.o_proj", (hidden, query)),
            ("post_attention_layernorm", (hidden,)),
            ("mlp.gate_proj", (inner, hidden)),
            ("mlp.up_proj", (inner, hidden)),
            ("mlp.down_proj", (hidden, inner)),
        ):
            yield f"layers.{layer}.{name}.weight", shape
    yield "norm.weight", (hidden,)


def _check_tensors(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError for a missing, extra or mis-shaped tensor."""
    config, tensors = checkpoint.config, checkpoint.tensors
    expected = dict(expected_tensors(config))
    optional = {"lm_head.weight": (config.vocabulary, config.hidden_size)}
    if config.labels:
        expected["score.weight"] = (config.labels, config.hidden_size)
    elif checkpoint.head == "lm_head.weight":
        expected |= optional
    missing = [name for name in expected if name not in tensors]
    extra = [
        name
        for name in tensors
        if name not in expected and name not in optional and not name.endswith("rotary_emb.inv_freq")
    ]
    for problem, names in (("lacks", missing), ("has unknown", extra)):
        if names:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise CheckpointError(
                f"{checkpoint.folder} {problem} tensor{'s' * (len(names) > 1)} {shown}: the weights and "
                "config.json do not belong together, or the download is incomplete"
            )
    for name, shape in (expected | optional).items():
        if name in tensors and tensors[name].shape != shape:
            raise CheckpointError(
                f"{checkpoint.folder}: tensor {name} has shape {tensors[name].shape}, "
                f"but config.json asks for {shape}"
            )


def _index_tensors(folder: Path) -> dict[str, TensorEntry]:
    entries: dict[str, TensorEntry] = {}
    for file in _weight_files(folder):
        for stored_name, entry in _read_header(file).items():
            name = stored_name.removeprefix("model.")
            if name in entries:
                raise CheckpointError(f"tensor {name} is both in {entries[name].file} and in {file}")
            entries[name] = entry
    return entries


def _weight_files(folder: Path) -> list[Path]:
    """The single weight file, or the shards that the index names."""
    if (folder / _SINGLE_FILE).exists():
        return [folder / _SINGLE_FILE]
    index = folder / _INDEX_FILE
    if not index.exists():
        unsafe = next((p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern)), "")
        hint = f" ({unsafe} can hold code and is never loaded; convert it to safetensors)" if unsafe else ""
        raise CheckpointError(f"{folder} has neither {_SINGLE_FILE} nor {_INDEX_FILE}{hint}")
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
        files = [folder / name for name in names if Path(name).name == name]
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is malformed: {error}") from error
    if len(files) != len(names) or not files:
        raise CheckpointError(f"{index} must name shards in its own folder")
    for file in files:
        if not file.exists():
            raise CheckpointError(f"{index} names {file.name}, which is absent: download it again")
    return files


def _read_header(file: Path) -> dict[str, TensorEntry]:
    """Entries of one safetensors file, which the safetensors library has checked first."""
    try:
        with safe_open(file, framework="numpy"):
            pass
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header: dict[str, Any] = json.loads(stream.read(length))
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise CheckpointError(
            f"{file} is corrupt or incomplete ({error}); copy or download it again"
        ) from error
    header.pop("__metadata__", None)
    entries = {}
    for name, tensor in header.items():
        if tensor["dtype"] not in ELEMENT_SIZES:
            raise CheckpointError(
                f"{file}: tensor {name} is stored as {tensor['dtype']}; "
                f"only {', '.join(ELEMENT_SIZES)} are supported"
            )
        offset = 8 + length + tensor["data_offsets"][0]
        entries[name] = TensorEntry(file, name, tensor["dtype"], tuple(tensor["shape"]), offset)
    return entries
