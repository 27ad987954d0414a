"""A user's mistake -> one line that says what is wrong, what was expected and what to do next."""


class TalkfaceError(Exception):
    """Base of every error a user can cause; the command line prints it as one line and exits with 1."""


class MediaError(TalkfaceError):
    """A photo, video or sound that cannot be read or written."""


class NoFaceError(TalkfaceError):
    """An image or video without a usable face."""


class ConfigError(TalkfaceError):
    """A setting with a wrong name, type or value."""


class CheckpointError(TalkfaceError):
    """A weights file that is missing, broken or of the wrong kind."""


class DatasetError(TalkfaceError):
    """A corpus or shard folder that cannot be used."""


class MissingExtraError(TalkfaceError):
    """An optional package that is not installed; the message names the extra."""
