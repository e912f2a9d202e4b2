"""Written: tables as Markdown, CSV and LaTeX. Names come from users and stay text in all of them."""

import csv
import io
import re
from collections.abc import Sequence

from quiver.evaluate.report.tables import Table

MARKDOWN_MARKS = re.compile(r"([\\`*_\[\]<>&|~#])")
LATEX_MARKS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: rf"\{mark}" for mark in "&%$#_"},
}


def to_markdown(title: str, tables: Sequence[Table]) -> str:
    """A heading and a table for each."""
    return "\n".join([f"# {_markdown(title)}\n", *map(_markdown_table, tables)])


def to_csv(tables: Sequence[Table]) -> str:
    """All numbers of all tables, one a line: table, row, column, value. Numbers have all their digits."""
    paper = io.StringIO()
    write = csv.writer(paper, lineterminator="\n").writerow
    write(("table", "row", "column", "value"))
    for table in tables:
        for row in table.rows:
            name = " / ".join(
                str(cell) for cell, column in zip(row, table.columns, strict=True) if not column.is_number
            )
            for cell, column in zip(row, table.columns, strict=True):
                if column.is_number and cell is not None:
                    write((table.title, name, column.title, cell))
    return paper.getvalue()


def to_latex(tables: Sequence[Table]) -> str:
    """Floating tables with the rules of booktabs."""
    return "\n".join([r"% \usepackage{booktabs}", *map(_latex_table, tables)])


def _markdown_table(table: Table) -> str:
    head = [_markdown(column.title) for column in table.columns]
    rule = ["---:" if column.is_number else "---" for column in table.columns]
    rows = [[_markdown(cell) for cell in row] for row in table.written()]
    lines = [f"## {_markdown(table.title)}", "", *(f"| {' | '.join(line)} |" for line in (head, rule, *rows))]
    return "\n".join([*lines, *(["", _markdown(table.note)] if table.note else []), ""])


def _latex_table(table: Table) -> str:
    places = "".join("r" if column.is_number else "l" for column in table.columns)
    head = [_latex(column.title) for column in table.columns]
    rows = [[_latex(cell) for cell in row] for row in table.written()]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(table.title)}}}",
            rf"\begin{{tabular}}{{{places}}}",
            r"\toprule",
            f"{' & '.join(head)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _markdown(text: str) -> str:
    return MARKDOWN_MARKS.sub(r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(LATEX_MARKS.get(mark, mark) for mark in " ".join(text.split()))
