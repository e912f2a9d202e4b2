from pathlib import Path

import pytest

from quiver.errors import UnreadableFile
from tests.search.ingest.made import passages

BODY = "call me ; " * 10
PYTHON = f'''"""A module."""

import os


# What it is for.
@decorator
class Tree(Base):
    """A tree."""

    height = 1  # {BODY}

    def grow(self):
        """Get higher."""
        return {BODY.split()!r}

    async def fall(self):
        return {BODY.split()!r}


def plant():
    return {BODY.split()!r}
'''
NESTED = "\n".join(f"{' ' * depth}if a:" for depth in range(150))
SAMPLES = {
    "a.js": f"class Tree {{\n  grow() {{ {BODY} }}\n}}\nexport function plant() {{ {BODY} }}\n",
    "a.ts": f"export class Tree {{\n  grow(): int {{ {BODY} }}\n}}\nfunction plant() {{ {BODY} }}\n",
    "a.tsx": f"class Tree {{\n  grow() {{ {BODY} }}\n}}\nfunction plant() {{ {BODY} return <b/> }}\n",
    "a.java": f"class Tree {{\n  void grow() {{ {BODY} }}\n  void plant() {{ {BODY} }}\n}}\n",
    "a.c": f"int grow(int x) {{ {BODY} }}\nstatic char *plant(void)\n{{ {BODY} }}\n",
    "a.cpp": f"namespace n {{\nclass T {{\n  int grow() {{ {BODY} }}\n}};\n}}\nint T::plant() {{ {BODY} }}\n",
    "a.go": f"package a\n\nfunc (t Tree) grow() {{ {BODY} }}\n\nfunc plant() {{ {BODY} }}\n",
    "a.rs": f"impl Tree {{\n  fn grow(&self) {{ {BODY} }}\n}}\n#[test]\nfn plant() {{ {BODY} }}\n",
    "a.rb": f"class Tree\n  def grow\n    {BODY}\n  end\nend\ndef plant\n  {BODY}\nend\n",
    "a.php": f"<?php\nclass Tree {{\n  function grow() {{ {BODY} }}\n}}\nfunction plant() {{ {BODY} }}\n",
    "a.cs": f"namespace N {{\nclass T {{\n  void Grow() {{ {BODY} }}\n  void Plant() {{ {BODY} }}\n}}\n}}\n",
    "a.sh": f"grow() {{\n  {BODY}\n}}\nfunction plant {{\n  {BODY}\n}}\n",
}


def test_definitions_stay_whole_with_what_belongs_to_them(tmp_path: Path) -> None:
    found = passages(tmp_path / "tree.py", PYTHON)
    trails = {passage.headings: passage for passage in found}
    assert list(trails) == [("Tree",), ("Tree", "grow"), ("Tree", "fall"), ("plant",)]
    assert "import os\n\n\n# What it is for.\n@decorator\nclass Tree" in trails["Tree",].text
    assert trails["Tree", "grow"].text.startswith("    def grow(self):")
    assert trails["Tree", "grow"].first_line == 13
    assert found[0].metadata == {"language": "python"}
    assert found[0].title == "tree.py"


@pytest.mark.parametrize("name", SAMPLES)
def test_definitions_of_every_grammar_are_known(tmp_path: Path, name: str) -> None:
    last = [passage.headings[-1:] for passage in passages(tmp_path / name, SAMPLES[name], max_tokens=40)]
    assert [heading[0].lower().split("::")[-1] for heading in last if heading][-2:] == ["grow", "plant"]


def test_other_languages_are_cut_at_blank_lines(tmp_path: Path) -> None:
    found = passages(
        tmp_path / "a.sql", "\n\n".join(["select a from b where c order by d"] * 9), max_tokens=10
    )
    assert {passage.text for passage in found} == {"select a from b where c order by d"}
    assert found[0].metadata == {"language": "sql"}


@pytest.mark.parametrize(
    "text", ["def f(:\n  )(", "class " * 2000, "(" * 20_000, "def f():\n" * 500, "\ufeff\n", NESTED]
)
def test_broken_code_is_read(tmp_path: Path, text: str) -> None:
    found = passages(tmp_path / "a.py", text)
    assert "".join("".join(passage.text.split()) for passage in found) == "".join(
        text.strip("\ufeff").split()
    )


def test_minified_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="made for machines"):
        passages(tmp_path / "a.js", "a=b;" * 10_000)
