"""The one exception that a user's mistake raises at run time."""


class UserError(Exception):
    """Something the user gave cannot be used: a folder, an image, a checkpoint, an option.

    The message names the path or the option, says what was expected and, where there is one, the next step. The
    command line prints it after `error:` and exits with 1; it never shows a traceback.
    """
