"""``python -m skdist_gpu script.py``: run a program unchanged."""

import sys

from skdist_gpu.programs.command import main

sys.exit(main(sys.argv[1:]))
