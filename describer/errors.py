"""Errors a user can cause, each one sentence that names the file or flag and the remedy."""

from __future__ import annotations


class DescriberError(Exception):
    """Base of every error that the command line prints as one line, without a traceback."""


class InputError(DescriberError):
    """A frame, folder or video cannot be read or is out of the stated limits."""


class ModelError(DescriberError):
    """A checkpoint, adapter or backend cannot be loaded, or does not fit what it is used with."""


class ServerError(ModelError):
    """The language model's server is gone, or refuses every request: no other frame would fare better."""


class TaxonomyError(DescriberError):
    """A label set is malformed, unknown, or does not match the model."""


class RecordError(DescriberError):
    """An annotations file is damaged or of another schema."""


class OutputError(DescriberError):
    """Results cannot be written: full disk, no permission, or a folder holding another run."""
