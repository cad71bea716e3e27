"""`alexc` and `python -m alexc`: runs a command and turns what it raises into a message and an exit code."""

from __future__ import annotations

import sys
import traceback

from alexc.runtime.errors import UserError

from .cli import app
from .spec_error import SpecError

EXIT_MISTAKE = 1
EXIT_INTERNAL = 70


def main() -> None:
    """Run the command line: 0 done, 1 a mistake in what the user gave, 2 wrong usage, 70 a defect of alexc."""
    try:
        app()
    except SpecError as mistake:
        print(mistake.report(), file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
    except Exception:
        traceback.print_exc()
        print(
            "\nalexc: this is a defect of alexc, not a mistake of yours. Please report it with the lines above.",
            file=sys.stderr,
        )
        sys.exit(EXIT_INTERNAL)


if __name__ == "__main__":
    main()
