"""`alexc` and `python -m alexc`: runs a command, and turns an exception into a message and an exit code.

Everything else is imported in `main`, so that Ctrl-C during an import is no traceback.
"""

from __future__ import annotations

import sys

EXIT_USER_ERROR = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Exit codes: 0 success, 1 an error in the user's input, 2 wrong usage, 70 a bug in alexc, 130 Ctrl-C.
    """
    try:
        from .failures import escape_what_the_terminal_lacks, report

        escape_what_the_terminal_lacks()
        try:
            from .cli import app

            try:
                app()
            finally:
                if sys.stdout is not None and not sys.stdout.closed:  # `alexc lsp` closes it
                    sys.stdout.flush()  # a full disk shows here, and not when Python ends
        except Exception as error:
            sys.exit(report(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
