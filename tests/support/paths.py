"""Where the repository is, and the photos that may lie beside it."""
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"  # need not be there: tests that read it are skipped then
