"""``quiver report``: results of runs side by side, as a page and as tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from quiver.cli import options

EXAMPLES = """\b
Examples:
  quiver report results.json --html report.html
  quiver report float32.json int8.json --html report.html --latex tables.tex --csv numbers.csv
  quiver report results.json > report.md
  quiver report results/ --html report.html                    mteb's result folder
"""


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Files of quiver evaluate --json, folders of --results or of mteb.",
            show_default=False,
        ),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="One page with plots and tables.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="The tables.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Every number of the tables, one a line.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option("--latex", metavar="FILE", help="The tables, for booktabs.")
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Over the page.")] = "Evaluation",
    quiet: options.Quiet = False,
) -> None:
    """Report runs of quiver evaluate and of mteb: by type, language, dimension, precision and cost.

    Without a file to write, the tables go to standard output as Markdown.
    """
    from quiver.cli.target import open_target
    from quiver.evaluate.report import read_runs, to_csv, to_html, to_latex, to_markdown
    from quiver.evaluate.report import report as make_report

    page = make_report(read_runs(files), title=title)
    writers: dict[Path | None, Callable[[], str]] = {
        html: lambda: to_html(page),
        markdown: lambda: to_markdown(page.title, page.tables),
        csv: lambda: to_csv(page.tables),
        latex: lambda: to_latex(page.tables),
    }
    wanted = {path: write for path, write in writers.items() if path is not None}
    say = options.say_nothing if quiet else options.say_on_stderr
    for path, write in wanted.items():
        with open_target(path) as target:
            target.write(write().encode())
        say(f"{path} written")
    if not wanted:
        with open_target(None) as target:
            target.write(to_markdown(page.title, page.tables).encode())
