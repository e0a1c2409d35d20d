"""Write anew what documents show and golden tests expect: `make goldens`. Read the difference before you commit it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.consoles import ROOT, documents, rewritten, run


def main() -> int:
    """Pictures, documents, golden files of tests."""
    for topology in sorted((ROOT / "examples").glob("*/topology.yaml")):
        (topology.parent / "picture.svg").write_text(run("dualhome plan topology.yaml --diagram svg", topology.parent) + "\n", "utf-8")
    for document in documents():
        if document.exists():
            document.write_text(rewritten(document), "utf-8")
    environment = {**os.environ, "REGENERATE": "1"}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "golden"], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
