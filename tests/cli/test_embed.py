import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet as pq
import pytest

from quiver import Embedder
from quiver.cli.embed import PromptChoice, _embedded
from quiver.cli.loading import ModelOptions
from quiver.server.models import OpenedModels
from tests.cli.conftest import Run, Shell, finished
from tests.cli.fakes import BLOCK, FakeEmbedder, vector
from tests.server.running import running


def test_texts_give_vectors_in_order(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    run = shell("embed", "one", "two words", "three")
    assert run.code == 0
    assert [record["text"] for record in run.records] == ["one", "two words", "three"]
    assert [record["index"] for record in run.records] == [0, 1, 2]
    for record in run.records:
        assert record["embedding"] == pytest.approx(vector(record["text"]))
    assert run.err == "3 texts, 8 dimensions: 4 tokens in, 2 computed, 2 saved\n"


def test_quiet_says_nothing(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    run = shell("embed", "one", "--quiet")
    assert run.err == ""
    assert embedders[0].calls[0]["show_progress_bar"] is False


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"prompt_name": "document", "prompt": None, "instruction": None}),
        (["--as", "query"], {"prompt_name": "query", "prompt": None, "instruction": None}),
        (["--as", "sts"], {"prompt_name": "sts", "prompt": None, "instruction": None}),
        (["--instruction", "Find"], {"prompt_name": None, "prompt": None, "instruction": "Find"}),
        (
            ["--instruction", "Find", "--as", "query"],
            {"prompt_name": "query", "prompt": None, "instruction": "Find"},
        ),
        (["--prompt", ""], {"prompt_name": None, "prompt": "", "instruction": None}),
    ],
)
def test_the_prompt_is_passed_on(
    shell: Shell, embedders: list[FakeEmbedder], options: list[str], expected: dict[str, str | None]
) -> None:
    assert shell("embed", "x", *options).code == 0
    assert embedders[0].calls == [{**expected, "show_progress_bar": None}]


@pytest.mark.parametrize(
    "options",
    [
        ["--prompt", "p", "--as", "query"],
        ["--prompt", "p", "--instruction", "i"],
        ["--as", "document", "--instruction", "i"],
        ["--dim", "0"],
        ["--max-length", "0"],
        ["--dtype", "int4"],
        ["--format", "csv"],
        ["--format", "table", "--output", "x"],
        ["--output", "x.txt"],
        ["--unknown"],
    ],
)
def test_a_wrong_command_line_exits_with_2(
    shell: Shell, embedders: list[FakeEmbedder], options: list[str]
) -> None:
    run = shell("embed", "x", *options)
    assert run.code == 2
    assert "Error: " in run.err
    assert "Traceback" not in run.err
    assert embedders == []


def test_nothing_to_embed_exits_with_2(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    run = shell("embed")
    assert run.code == 2
    assert "no texts: give them as arguments" in run.err


def test_the_model_options_are_passed_on(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    shell(
        *("embed", "x", "--model", "m", "--revision", "r", "--device", "cpu", "--dtype", "bfloat16"),
        *("--max-length", "9", "--truncate", "--token-budget", "77", "--parse-special-tokens", "--dim", "4"),
    )
    options = embedders[0].options
    assert (options.model, options.revision, options.device, options.dtype) == ("m", "r", "cpu", "bfloat16")
    assert (options.max_length, options.on_too_long, options.token_budget) == (9, "truncate", 77)
    assert options.parse_special_tokens
    assert embedders[0].dimension == 4


def test_cuts_are_told(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    texts = [f"{number} b c d e" for number in range(5)]
    run = shell("embed", "short", *texts, "--max-length", "2", "--truncate")
    assert [record.get("tokens_cut") for record in run.records] == [None, 3, 3, 3, 3, 3]
    assert run.err.endswith(
        "; 5 texts cut: index 1 (2 of 5 tokens kept), 2 (2 of 5 tokens kept), 3 (2 of 5 tokens kept)"
        " and 2 more\n"
    )


def test_a_failure_half_way_writes_no_file(
    shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path
) -> None:
    run = shell("embed", "a", "b", "c", "too long a text", "--max-length", 1, "-o", tmp_path / "a.npy")
    assert run.code == 1
    assert run.err == "error: text 3 is too long\n"
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_found_before_a_model_is_opened(
    shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": 1}\n')
    run = shell("embed", "--input", path)
    assert run.code == 1
    assert run.err.startswith(f"error: {path}, line 1: none of the fields text")
    assert embedders == []


def test_bad_input_half_way_names_the_line(
    shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'"x"\n"y"\n"z"\n{"text": \n')
    run = shell("embed", "--input", path, "--output", tmp_path / "out.jsonl")
    assert run.code == 1
    assert f"error: {path}, line 4: malformed JSON" in run.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_field_that_is_read_is_named(shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,content\n1,hello\n")
    run = shell("embed", "-i", path)
    assert run.records[0]["text"] == "hello"
    assert run.err.splitlines()[0] == f"{path}: reading the column 'content'"
    assert shell("embed", "-i", path, "--quiet").err == ""


def test_errors_do_not_steer_the_terminal(shell: Shell) -> None:
    run = shell("embed", "-i", "\x1b[2Jabsent.txt")
    assert run.err == "error: \ufffd[2Jabsent.txt does not exist\n"


def test_standard_input_keeps_lines_and_vectors_together(shell: Shell, embedders: list[FakeEmbedder]) -> None:
    run = shell("embed", stdin=b"one\n\nthree\n")
    assert [record["text"] for record in run.records] == ["one", "", "three"]
    run = shell("embed", "--input-format", "jsonl", "-", stdin=b'{"text": "one"}\n')
    assert [record["text"] for record in run.records] == ["one"]


def test_every_file_format(shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path) -> None:
    expected = np.asarray([vector("one"), vector("two"), vector("three")], dtype=np.float32)
    for name in ("a.npy", "a.parquet", "a.jsonl"):
        run = shell("embed", "one", "two", "three", "-o", tmp_path / name)
        assert (run.code, run.out) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    assert pq.read_table(tmp_path / "a.parquet")["embedding"].to_pylist() == expected.tolist()
    written = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    read_back = np.asarray([record["embedding"] for record in written], dtype=np.float32)
    np.testing.assert_array_equal(read_back, expected)


def test_vectors_of_a_parquet_file_can_replace_it(
    shell: Shell, embedders: list[FakeEmbedder], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    assert shell("embed", "one", "two", "-o", path).code == 0
    assert shell("embed", "--input", path, "-o", path, "--as", "query").code == 0
    assert pq.read_table(path)["text"].to_pylist() == ["one", "two"]


def test_no_more_texts_are_held_than_are_under_way() -> None:
    drawn: list[str] = []

    def corpus() -> Iterator[str]:
        for number in range(1_000_000):
            drawn.append(str(number))
            yield drawn[-1]

    embedder = cast(Embedder, FakeEmbedder(ModelOptions(), None))
    stream = _embedded(embedder, corpus(), PromptChoice(), show_progress=None)
    for count, block in enumerate(islice(stream, 5), start=1):
        assert len(drawn) == BLOCK * count
        assert list(block.texts) == drawn[-BLOCK:]
        assert block.first == BLOCK * (count - 1)


def embed(folder: Path, *arguments: object) -> Run:
    return finished("embed", "-m", folder, "--device", "cpu", *arguments, module="quiver")


def test_the_real_thing(embedder_folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    texts = ["What is the capital of China?", "北京", ""]
    run = embed(embedder_folder, *texts, "--as", "query", "--dtype", "float32")
    assert (run.code, run.records[1]["text"]) == (0, "北京")
    rows = np.asarray([record["embedding"] for record in run.records])
    np.testing.assert_allclose(rows, embedder.encode_query(texts), atol=1e-6)


def test_real_mistakes_end_without_a_traceback(
    embedder_folder: Path, reranker_folder: Path, tmp_path: Path
) -> None:
    for run, message in [
        (embed(tmp_path, "x"), "error: "),
        (embed(reranker_folder, "x"), "rerank"),
        (embed(embedder_folder, "x", "--dim", 10_000), "truncate_dim must lie between"),
        (embed(embedder_folder, "x", "--as", "poem"), "no prompt named 'poem'"),
        (embed(embedder_folder, "x " * 99, "--max-length", 9), "--truncate in the shell"),
        (embed(embedder_folder, "x", "--device", "abacus"), "abacus"),
        (embed(embedder_folder, "x", "--instruction", " "), "instruction is empty"),
        (embed(embedder_folder, b"caf\xe9".decode(errors="surrogateescape")), "not UTF-8"),
    ]:
        assert run.code == 1, run.err
        assert run.err.startswith("error: ")
        assert message in run.err
        assert "Traceback" not in run.err


def test_the_built_in_model_needs_no_options() -> None:
    run = finished("embed", "What is the capital of China?", "--as", "query", module="quiver")
    assert run.code == 0, run.err
    assert np.linalg.norm(run.records[0]["embedding"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["text", "--output", "out"], "--ray embeds files that all nodes reach; name them with --input"),
        (["--input", "-", "--output", "out"], "--ray embeds files that all nodes reach"),
        (["--input", "a.txt"], "--ray writes a folder of Parquet parts"),
        (["--input", "absent.txt", "--output", "out"], "absent.txt does not exist"),
    ],
)
def test_what_a_cluster_cannot_embed(shell: Shell, words: list[str], message: str) -> None:
    run = shell("embed", "--ray", "auto", *words)
    assert run.code == 1
    assert message in run.err


def test_a_server_may_run_the_model() -> None:
    embedder = Embedder()
    with running(OpenedModels(embedder=embedder)) as server:
        run = finished("embed", "Hello", "--url", server.url, "--format", "jsonl", module="quiver")
    assert run.code == 0, run.err
    np.testing.assert_allclose(run.records[0]["embedding"], embedder.encode_document("Hello"), atol=1e-6)


def test_half_a_server_is_an_error() -> None:
    run = finished("embed", "Hello", "--served-as", "mine", module="quiver")
    assert run.code == 1
    assert "give its --url, too" in run.err
