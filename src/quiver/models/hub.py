"""Where a model's folder is: built in, on this disk, or on the Hugging Face hub."""

from pathlib import Path

from quiver.errors import CheckpointError, HubError
from quiver.models import catalog

_FILES_ABOUT_TEXTS = ["*.json", "*/config.json"]
_NEEDED_FILES = [*_FILES_ABOUT_TEXTS, "*.safetensors"]


def locate(
    model: str | Path, *, revision: str | None = None, token: str | None = None, weights: bool = True
) -> Path:
    """The local folder of ``model``: a path, a built-in name, or a hub name, fetched if need be.

    Without ``weights`` the rest of the files is fetched.
    HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are honoured by huggingface_hub. Raises CheckpointError for a
    path that is no folder, HubError for a hub name that cannot be fetched.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file; give the folder that holds config.json and the weights")
    name = str(model)
    entry = catalog.find(name)
    if entry is not None and entry.builtin:
        return catalog.BUILTIN_FOLDER / entry.name
    if isinstance(model, Path) or not _is_hub_name(entry.name if entry else name):
        raise CheckpointError(
            f"{name} is neither a folder nor a model name; `quiver models` lists the published models"
        )
    return _download(entry.name if entry else name, revision, token, weights)


def _is_hub_name(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def _download(name: str, revision: str | None, token: str | None, weights: bool) -> Path:
    import huggingface_hub
    from huggingface_hub import errors as hub_errors

    try:
        wanted = _NEEDED_FILES if weights else _FILES_ABOUT_TEXTS
        folder = huggingface_hub.snapshot_download(
            name, revision=revision, token=token, allow_patterns=wanted
        )
    except hub_errors.GatedRepoError as error:
        reason = f"access to {name} must be asked for on its hub page; then pass a token (HF_TOKEN)"
        raise HubError(reason) from error
    except hub_errors.RevisionNotFoundError as error:
        raise HubError(f"{name} has no revision {revision!r}") from error
    except hub_errors.RepositoryNotFoundError as error:
        raise HubError(
            f"the hub has no model {name}, or it is private: check the name, or pass a token (HF_TOKEN)"
        ) from error
    except (OSError, hub_errors.HfHubHTTPError, hub_errors.LocalEntryNotFoundError) as error:
        raise HubError(_unreachable(name, revision, error)) from error
    return Path(folder)


def _unreachable(name: str, revision: str | None, error: Exception) -> str:
    pinned = f" --revision {revision}" if revision else ""
    folder = name.split("/")[-1]
    reason = str(error).split("\n", 1)[0]
    return (
        f"{name} is not on this machine and the hub cannot be reached ({reason}). Where there is a "
        f"network run `hf download {name}{pinned} --local-dir {folder}`, copy the folder here and give "
        "its path as the model; the built-in models need no network"
    )
