"""The statuses with which scripts end when the same command would go on.

Tested by `tests/cli/interrupt_test.py`.
"""

# EX_TEMPFAIL of sysexits.h: the command is correct and can be run again.
RESTART = 75
INTERRUPTED = 130  # By Ctrl-C: 128 + SIGINT, as shells have it.
RESUMABLE = (RESTART, INTERRUPTED)
