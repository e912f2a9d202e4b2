"""Reports: the results of runs side by side, as one page of HTML and as tables in plain formats.

    results files -> Runs -> tables and figures -> page (HTML) or written (Markdown, CSV, LaTeX)

A page is one file that asks for nothing else: charts are SVG of our own, coloured by the page's style sheet,
so that they follow light and dark and print. Every figure has a title, axes with titles, a text that says
what is in it, and its numbers as a table.
"""

from quiver.evaluate.report.by_type import Row, by_type
from quiver.evaluate.report.page import Page, Section, to_html
from quiver.evaluate.report.runs import Run, Runs, read_runs
from quiver.evaluate.report.sections import report
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.report.written import to_csv, to_latex, to_markdown

__all__ = [
    "Column",
    "Page",
    "Row",
    "Run",
    "Runs",
    "Section",
    "Table",
    "by_type",
    "read_runs",
    "report",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
]
