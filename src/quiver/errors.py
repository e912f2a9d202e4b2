"""The errors Quiver raises, by what the caller can do about them.

    QuiverError
    ├── CheckpointError       the model's files: absent, corrupt, of another architecture
    │   └── HubError          a hub name that could not be fetched
    ├── ModelKindError        an embedder asked to rerank, a reranker asked to embed
    ├── InputError            a text, an option or a file of texts that cannot be used
    │   └── TooLongError      a text longer than the limit, where cutting was not allowed
    ├── FingerprintMismatch   vectors that different models or settings made
    ├── NumericalError        a result that is not a finite number
    ├── StoreError            a search index that is absent, damaged, or whose database refuses
    │   ├── NoIndex           a place where there is no index yet
    │   └── IndexBusy         an index that another process is writing
    ├── UnreadableFile        a file that search cannot read; a run reports it and goes on
    ├── EndpointError         a server, of chat or of embeddings, that refuses, fails or cannot be reached
    ├── ShortOfBaseline       scores below those that a quality gate demands
    ├── TasksFailed           some tasks of an evaluation; the others have their scores
    ├── ClusterError          a Ray cluster that cannot be joined, or has no room for the work
    └── DeviceError           a device or precision this machine or this engine does not have

Every message names the thing, the reason and the next step.
"""


class QuiverError(Exception):
    """Base of all errors that Quiver raises on purpose."""


class CheckpointError(QuiverError):
    """The files of a model are absent, corrupt, or not what this model needs."""


class HubError(CheckpointError):
    """A model named on the Hugging Face hub could not be fetched."""


class ModelKindError(QuiverError):
    """A model was asked for what the other kind of model does."""


class InputError(QuiverError, ValueError):
    """A text, an option or an input file cannot be used as it is."""


class TooLongError(InputError):
    """A text exceeds the length limit and the policy forbids cutting it."""


class FingerprintMismatch(QuiverError):
    """Vectors of different models or settings were about to be compared."""


class NumericalError(QuiverError):
    """The network gave NaN or infinity, which is never returned as a result."""


class StoreError(QuiverError):
    """A search index is absent or damaged, or its database refuses."""


class NoIndex(StoreError):
    """There is no search index in this place."""


class IndexBusy(StoreError):
    """Another process is writing the index."""


class UnreadableFile(QuiverError):
    """A file cannot be read as text; the others can."""


class EndpointError(QuiverError):
    """A server of chat or of embeddings refuses our requests, fails, or cannot be reached."""


class EndpointWarning(UserWarning):
    """A server answers, but probably with wrong numbers."""


class ShortOfBaseline(QuiverError):
    """Scores fell further below a baseline than it allows."""


class TasksFailed(QuiverError):
    """Some tasks of an evaluation failed; the scores of the others are kept."""


class ClusterError(QuiverError):
    """A Ray cluster cannot be joined, has no room for the work, or gave it up."""


class DeviceError(QuiverError):
    """The device or the precision asked for is not available."""
