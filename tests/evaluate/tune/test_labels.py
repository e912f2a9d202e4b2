"""Labels and corpora from files of every kind."""

from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from quiver.errors import InputError
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tune import read_labels
from tests.evaluate import sets


def file(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def relevant(task: RankingTask) -> dict[str, dict[str, int]]:
    """Grades by the texts themselves."""
    text = dict(zip(task.document_ids, task.documents, strict=True))
    return {
        query: {text[document]: grade for document, grade in task.grades[own].items()}
        for own, query in zip(task.query_ids, task.queries, strict=True)
    }


def test_texts_without_a_corpus_are_the_corpus(tmp_path: Path) -> None:
    labels = file(tmp_path / "labels.csv", 'query,document\nred,"a, b"\nred,c\nblue,c\n')
    task = read_labels(labels)
    assert task.documents == ["a, b", "c"]
    assert relevant(task) == {"red": {"a, b": 1, "c": 1}, "blue": {"c": 1}}


def test_a_corpus_is_searched_by_id_and_by_text(tmp_path: Path) -> None:
    rows = [{"_id": "x", "title": "T", "text": "one"}, {"_id": "y", "text": "two"}, {"text": "three"}]
    corpus = file(tmp_path / "corpus.jsonl", sets.jsonl(rows))
    labels = file(tmp_path / "labels.tsv", "query\tdocument\tgrade\nq\tx\t2\nq\tthree \t1\np\ty\t0\n")
    task = read_labels(labels, corpus=[corpus])
    assert task.documents == ["T one", "two", "three"]
    assert relevant(task) == {"q": {"T one": 2, "three": 1}}


def test_a_folder_of_texts_is_known_by_paths(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    file(folder / "deep" / "a.md", "line 1\nline 2\n")
    file(folder / ".hidden", "no")
    labels = file(tmp_path / "labels.csv", "question,document_id\nq,deep/a.md\n")
    task = read_labels(labels, corpus=[folder])
    assert (task.document_ids, task.documents) == (["deep/a.md"], ["line 1\nline 2"])


def test_lines_are_documents_each_counted_once(tmp_path: Path) -> None:
    corpus = file(tmp_path / "corpus.txt", "one\n\ntwo\none\n")
    labels = file(tmp_path / "labels.csv", "query,document\nq,two\n")
    assert read_labels(labels, corpus=[corpus]).documents == ["one", "two"]


def test_clicks_add_up_and_many_count_little_more_than_some(tmp_path: Path) -> None:
    rows = "query,document,clicks\nq,a,1\nq,b,3\nq,b,4\nq,c,0\n"
    assert relevant(read_labels(file(tmp_path / "clicks.csv", rows))) == {"q": {"a": 1, "b": 3, "c": 0}}


def test_training_rows_are_labels(tmp_path: Path) -> None:
    rows = [{"query": "q", "positives": ["a", "b"], "negatives": ["c"]}]
    assert relevant(read_labels(file(tmp_path / "rows.jsonl", sets.jsonl(rows)))) == {
        "q": {"a": 1, "b": 1, "c": 0}
    }


def test_parquet(tmp_path: Path) -> None:
    table = arrow.table({"query": ["q", "p"], "document": ["a", "b"], "grade": [3, 1]})
    parquet.write_table(table, tmp_path / "labels.parquet")
    assert relevant(read_labels(tmp_path / "labels.parquet")) == {"q": {"a": 3}, "p": {"b": 1}}


def test_an_evaluation_folder_and_another_metric(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "set")
    assert read_labels(folder).meta.metric == "ndcg@10"
    assert read_labels(folder, metric="mrr@10").meta.metric == "mrr@10"
    with pytest.raises(InputError, match="advice needs rankings"):
        read_labels(sets.sts(tmp_path / "sts"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("query,document\nq,zzz\n", "line 2: 'zzz' is neither id nor text"),
        ("query,text\nq,a\n", "line 2: no document: none of the fields document, .* found query, text"),
        ("document\na\n", "line 2: no query"),
        ("query,document,grade\nq,a,many\n", "line 2: 'grade' must be a number from 0 on, not 'many'"),
        ("query,document,grade\nq,a,0.5\n", "line 2: 'grade' must be a whole number"),
        ("query,document,clicks\nq,a,-1\n", "line 2: 'clicks' must be a number"),
        ("query,document\nq,a,b\n", "line 2: 3 fields where the first line names 2"),
        ("query,query\nq,a\n", "line 1: two columns have the same name"),
        ("query,document\n ,a\n", "line 2: the query is empty"),
        ("query,document,grade\nq,a,0\n", "no query has a relevant document"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, rows: str, message: str) -> None:
    corpus = file(tmp_path / "corpus.txt", "a\nb\n")
    with pytest.raises(InputError, match=message):
        read_labels(file(tmp_path / "labels.csv", rows), corpus=[corpus])


def test_other_mistakes(tmp_path: Path) -> None:
    by_id = file(tmp_path / "labels.csv", "query,document_id\nq,a\n")
    with pytest.raises(InputError, match="names documents by id; give the corpus"):
        read_labels(by_id)
    with pytest.raises(InputError, match=r"end it in \.csv"):
        read_labels(file(tmp_path / "labels.xlsx", ""))
    with pytest.raises(InputError, match="is no measure of rankings"):
        read_labels(by_id, metric="accuracy")
    with pytest.raises(InputError, match="cannot read"):
        read_labels(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("query,document\né,a\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_labels(tmp_path / "latin.csv")
    twice = file(tmp_path / "twice.jsonl", sets.jsonl([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]))
    with pytest.raises(InputError, match="line 2: the id 'a' stands at another document too"):
        read_labels(by_id, corpus=[twice])
