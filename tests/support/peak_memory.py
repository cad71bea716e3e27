"""The most memory that a piece of Python takes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

# Not ru_maxrss: it counts what the parent held when it started the process.
_REPORT = """
import re
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
"""


def peak_kibibytes(code: str, *arguments: object) -> int:
    """Run `code` with `arguments` as sys.argv[1:], and tell the most that lay in memory at once, workers aside."""
    command = [sys.executable, "-c", code + _REPORT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])
