from quiver.models.catalog import CATALOG
from tests.cli.conftest import Shell


def test_the_table_lists_every_model_and_marks_the_built_in(shell: Shell) -> None:
    run = shell("models")
    assert (run.code, run.err) == (0, "")
    for entry in CATALOG:
        (line,) = [line for line in run.out.splitlines() if line.startswith(f"{entry.name} ")]
        assert line.startswith(f"{entry.name} *") == entry.builtin
        assert str(entry.layers) in line.split()
        assert f"{entry.context // 1024}K" in line.split()
    assert "* ships with Quiver" in run.out


def test_the_table_fits_eighty_columns(shell: Shell) -> None:
    assert "\u2026" not in shell("models").out


def test_json_lines_hold_every_fact(shell: Shell) -> None:
    records = shell("models", "--format", "jsonl").records
    assert [record["name"] for record in records] == [entry.name for entry in CATALOG]
    smallest = next(record for record in records if record["name"] == "Qwen/Qwen3-Embedding-0.6B")
    assert smallest == {
        "name": "Qwen/Qwen3-Embedding-0.6B",
        "kind": "embedder",
        "parameters": "0.6B",
        "layers": 28,
        "hidden_size": 1024,
        "embedding_dim": 1024,
        "context": 32768,
        "mrl": True,
        "instruction_aware": True,
        "builtin": False,
    }
