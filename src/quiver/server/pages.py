"""Pages: the playground, plain files of the package that anyone may fetch; its requests need a key."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "playground"
HEADERS = {
    "content-security-policy": "; ".join(
        ("default-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Nothing but the page's own files runs, loads or is sent anywhere."""


def add_pages(app: FastAPI) -> None:
    """Serve the playground at ``/`` and its files below ``/playground``."""

    @app.get("/", include_in_schema=False)
    async def playground() -> Response:
        return FileResponse(FOLDER / "index.html", headers=HEADERS)

    app.mount("/playground", StaticFiles(directory=FOLDER), name="playground")
