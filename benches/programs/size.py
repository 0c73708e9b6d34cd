#!/usr/bin/env python3
"""How large is the stripped shared library?

Prints one line of JSON.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

from harness.build import OUT

with tempfile.TemporaryDirectory() as folder:
    stripped = Path(folder) / "stripped.so"
    subprocess.run(["strip", "-o", stripped, OUT / "lib" / "libcarpool.so"], check=True)
    print(json.dumps({"bytes": stripped.stat().st_size}))
