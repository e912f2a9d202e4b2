import pytest

from quiver.server.errors import Refusal
from quiver.server.roles import Role, choose_role


@pytest.mark.parametrize(
    ("wishes", "instruction", "role"),
    [
        ((), None, Role("document", stated=False)),
        ((None, None), None, Role("document", stated=False)),
        (("query", None), None, Role("query")),
        (("passage",), None, Role("document")),
        (("corpus", "document"), None, Role("document")),
        (("clustering",), None, Role("clustering")),
        ((), "Find code", Role("query", "Find code")),
        (("query",), "Find code", Role("query", "Find code")),
    ],
)
def test_what_requests_say(wishes: tuple[str | None, ...], instruction: str | None, role: Role) -> None:
    assert choose_role(*wishes, instruction=instruction) == role


def test_contradictions() -> None:
    with pytest.raises(Refusal, match="both document and query"):
        choose_role("query", "passage")
    with pytest.raises(Refusal, match="not before document"):
        choose_role("document", instruction="Find code")


def test_a_default_says_so() -> None:
    assert str(choose_role()) == "document; default"
    assert str(choose_role("document")) == "document"
