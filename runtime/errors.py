"""The exception of the runtime for mistakes of the user."""


class UserError(Exception):
    """Something that the user gave cannot be used: a folder, an image, a checkpoint, an option.

    The message names the path or the option, says what was expected and, if possible, what to do. The command line
    prints it after `error:`, without a traceback, and exits with 1.
    """

    def report(self) -> str:
        """The text for the command line."""
        return f"error: {self}"

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython and Jupyter show instead of a traceback, which would only point into alexc."""
        return self.report().splitlines()


UserError.__module__ = "alexc"
