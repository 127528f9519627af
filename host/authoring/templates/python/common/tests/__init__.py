"""Natively the SDK is where it is vendored."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "vendor"))
