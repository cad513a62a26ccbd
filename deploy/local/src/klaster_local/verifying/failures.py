"""Why nothing could be judged: not a finding, and not a clean report either."""

from klaster_local.failures import CommandFailed


class CannotLook(CommandFailed):
    """A database, the broker or a file is not there to be read, or is not what a Klaster of this release keeps. Exit code 2."""
