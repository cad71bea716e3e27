"""`alexc` and `python -m alexc`: runs a command, and turns an exception into a message and an exit code."""

from __future__ import annotations

import sys
import traceback

from alexc.runtime.errors import UserError

from .cli import app
from .spec_error import SpecError

EXIT_USER_ERROR = 1
EXIT_BUG = 70


def main() -> None:
    """Run the command line.

    Exit codes: 0 success, 1 an error in the user's input, 2 wrong usage, 70 a bug in alexc.
    """
    try:
        app()
    except SpecError as error:
        print(error.report(), file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except Exception:
        traceback.print_exc()
        print(
            "\nalexc: this is a bug in alexc, not an error in your input. Please report it with the lines above.",
            file=sys.stderr,
        )
        sys.exit(EXIT_BUG)


if __name__ == "__main__":
    main()
