"""Pages: the playground, plain files of the package that anyone may fetch; its requests need a key."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "playground"


def add_pages(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the playground at ``/`` and its files below ``/playground``, if it is installed."""
    index = folder / "index.html"
    if not index.exists():
        return

    @app.get("/", include_in_schema=False)
    async def playground() -> Response:
        return FileResponse(index, headers={"content-security-policy": "default-src 'self'"})

    app.mount("/playground", StaticFiles(directory=folder), name="playground")
