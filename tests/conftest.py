"""Makes the tiny model of `tests/model/tiny.py` importable from every folder of tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "model"))
