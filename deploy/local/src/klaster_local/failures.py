"""What the command says when it cannot do its work: one line that names the matter and the way out.

The one rule: a command ends with 0, 1 or 2 (done, refused or failed, wrong usage); only `__main__` turns a failure into an exit code.
"""


class CommandFailed(Exception):
    """The message is one line for a terminal; `details` are further lines, such as the end of a log."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class WrongUsage(CommandFailed):
    """The command line or a setting cannot be understood: exit code 2."""
