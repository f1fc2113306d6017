"""`python -m tests.crash.real`: one case of the matrix again, as a violation names it."""

from __future__ import annotations

import sys

from tests.crash.real.sweep import main

if __name__ == "__main__":
    sys.exit(main())
