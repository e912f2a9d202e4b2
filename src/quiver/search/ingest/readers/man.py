"""Man pages: the source without its macros, a line for a line; sections make headings."""

import re

from quiver.search.ingest.document import Document, Outline

HEADING = {".SH": 1, ".Sh": 1, ".SS": 2, ".Ss": 2}
TITLE = re.compile(r"^\.(?:TH|Dt)[ \t]+\"?([^\s\"]+)\"?(?:[ \t]+\"?([^\s\"]+))?", re.M)
WITH_TEXT = re.compile(
    r"^\.(?:B|I|BR|BI|IB|IR|RB|RI|SM|SB|IP|TP|It|Nm|Nd|Fl|Ar|Op|Xr|Cm|Pa|Li|Dl|Em|Sy)\b[ \t]*"
)
ESCAPES = (
    (re.compile(r'\\".*$', re.M), ""),
    (re.compile(r"\\f(?:\[\w{0,9}\]|\(..|.)"), ""),
    (re.compile(r"\\s[+-]?\d+|\\[&/,|^%:]"), ""),
    (re.compile(r"\\\*?(?:\((?:lq|rq|dq)|\[(?:lq|rq|dq)\])"), '"'),
    (re.compile(r"\\\((?:aq|cq|oq)|\\\[(?:aq|cq|oq)\]"), "'"),
    (re.compile(r"\\\(?(?:em|en|hy|mi)|\\-"), "-"),
    (re.compile(r"\\\(bu"), "*"),
    (re.compile(r"\\\(co"), "©"),
    (re.compile(r"\\e"), r"\\"),
    (re.compile(r"\\([ ~0])"), " "),
)


def read_man(text: str, title: str) -> Document:
    """The text of each source line on a line of its own."""
    found = TITLE.search(text)
    outline = Outline()
    lines: list[str] = []
    position = 0
    for raw in text.split("\n"):
        level = HEADING.get(raw[:3])
        line = _text_of(raw)
        if level is not None and line.strip():
            outline.heading(position, level, line)
        lines.append(line)
        position += len(line) + 1
    name = f"{found[1].lower()}({found[2]})" if found and found[2] else title
    return Document(text="\n".join(lines), title=name, sections=outline.sections)


def _text_of(raw: str) -> str:
    line = raw
    if line[:3] in HEADING:
        line = line[3:].strip().strip('"')
    elif line.startswith((".", "'")):
        macro = WITH_TEXT.match(line)
        line = line[macro.end() :].replace('"', "") if macro else ""
    if "\\" in line:
        for pattern, plain in ESCAPES:
            line = pattern.sub(plain, line)
    return line
