"""Write anew what documents show and golden tests expect: `make goldens`. Read the difference before you commit it."""

from __future__ import annotations

import os
import subprocess
import sys

from dualhome.live import machine
from tests import commands_page, malformed_page
from tests.consoles import ROOT, documents, rewritten, rewritten_live, run
from tests.files import EXAMPLES, GUIDE


def main() -> int:
    """Pictures, documents, golden files of tests."""
    for topology in EXAMPLES:
        (topology.parent / "picture.svg").write_text(run("dualhome plan topology.yaml --diagram svg", topology.parent) + "\n", "utf-8")
    for topology in GUIDE:
        topology.with_suffix(".svg").write_text(run(f"dualhome plan {topology.name} --diagram svg", topology.parent) + "\n", "utf-8")
    for each in (commands_page, malformed_page):
        each.PAGE.write_text(each.page(), "utf-8")
    for document in documents():
        document.write_text(rewritten(document), "utf-8")
        if not machine.missing():
            document.write_text(rewritten_live(document), "utf-8")
    environment = {**os.environ, "REGENERATE": "1"}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "golden"], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
