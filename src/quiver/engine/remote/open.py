"""Open: engines that are servers, where the package that speaks to them is installed."""

from typing import TYPE_CHECKING

from quiver.engine.backends import Remote
from quiver.errors import InputError
from quiver.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from quiver.engine.remote.embedding import RemoteEmbedding
    from quiver.engine.remote.reranking import RemoteReranking


def open_embedding(
    settings: Remote,
    *,
    name: str | None = None,
    tokenizer: TextTokenizer | None = None,
    tokenizer_identity: str | None = None,
    dimension: int | None = None,
) -> "RemoteEmbedding":
    """Find out how the server embeds, and look whether it does so rightly.

    What is known of the model is held against it. Raises InputError if httpx is absent, EndpointError if
    the server cannot be reached or is wrong.
    """
    _need_httpx()
    from quiver.engine.remote.embedding import RemoteEmbedding

    return RemoteEmbedding(
        settings,
        name=name,
        tokenizer=tokenizer,
        tokenizer_identity=tokenizer_identity,
        dimension=dimension,
    )


def open_reranking(settings: Remote, *, name: str | None = None) -> "RemoteReranking":
    """Find out how the server reranks, likewise."""
    _need_httpx()
    from quiver.engine.remote.reranking import RemoteReranking

    return RemoteReranking(settings, name=name)


def _need_httpx() -> None:
    try:
        import httpx  # noqa: F401
    except ImportError:
        raise InputError("speaking to servers needs httpx: pip install 'quiver-embed[remote]'") from None
