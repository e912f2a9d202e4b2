import csv
import io

from quiver.evaluate.report import Column, Table, to_csv, to_latex, to_markdown

TABLE = Table(
    "Scores of 100 % & more",
    [Column("run"), Column("metric"), Column("score", ".3f")],
    [("a|b <i>", "x_1", 0.12345), ("50%\n", "m", None)],
    "A note.",
)


def test_markdown_keeps_names_as_text() -> None:
    lines = to_markdown("A *title*", [TABLE]).splitlines()
    assert lines[0] == r"# A \*title\*"
    assert "| run | metric | score |" in lines
    assert "| --- | --- | ---: |" in lines
    assert r"| a\|b \<i\> | x\_1 | 0.123 |" in lines
    assert "| 50% | m | – |" in lines


def test_csv_has_a_line_for_each_number_with_all_its_digits() -> None:
    rows = list(csv.reader(io.StringIO(to_csv([TABLE]))))
    assert rows == [
        ["table", "row", "column", "value"],
        ["Scores of 100 % & more", "a|b <i> / x_1", "score", "0.12345"],
    ]


def test_latex_escapes_what_it_would_read() -> None:
    text = to_latex([TABLE])
    assert r"\caption{Scores of 100 \% \& more}" in text
    assert r"a|b <i> & x\_1 & 0.123 \\" in text
    assert r"\begin{tabular}{llr}" in text
    assert to_latex([Table("\\{}~^", [Column("a")], [])]).count("\\textbackslash{}\\{\\}") == 1
