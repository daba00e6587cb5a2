"""Run a program that ends when its parent does: `leash.py SIGNAL PARENT PROGRAM ARGUMENT…`, Linux only.

A step between fork and exec would not be safe in a process with threads; this one is a process of its own for a moment.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    number, parent, *argv = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before this process began")
    os.execvp(argv[0], argv)  # noqa: S606 - a program and its arguments, no shell
