"""Page: sections of words, figures and tables as one HTML file that asks for nothing else.

The template escapes all it is given: names of sets and models cannot become markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quiver.evaluate.extra import need
from quiver.evaluate.report.charts import Figure
from quiver.evaluate.report.layout import draw, swatches
from quiver.evaluate.report.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question and what the numbers answer."""

    title: str
    words: Sequence[str] = ()
    """Paragraphs."""
    code: Sequence[str] = ()
    """Lines to copy."""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A title, an introduction and sections."""

    title: str
    words: Sequence[str]
    sections: Sequence[Section]

    @property
    def tables(self) -> list[Table]:
        """All tables, those of figures among them, in order."""
        return [
            table
            for section in self.sections
            for table in (*(figure.table for figure in section.figures), *section.tables)
        ]


def to_html(page: Page) -> str:
    """The page as one HTML document."""
    jinja2 = need("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("quiver.evaluate.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html")
    html: str = template.render(page=page, draw=draw, swatches=swatches)
    return html
