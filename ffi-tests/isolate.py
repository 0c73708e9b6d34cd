"""What examples-c/isolate.c promises: each hostile file costs itself only, and is told rightly.

    python3 ffi-tests/isolate.py [-v] [Isolate.test_...]
"""

import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "out" / "bin" / "isolate"
SECONDS = 60  # No run takes nearly as long: what does, hangs.
SKIPPED = 77  # What the driver of the tests takes for: nothing to test here.

ATTACKS = {
    "abort": "the decoder died: Aborted",
    "null": "the decoder died: Segmentation fault",
    "stack": "the decoder died: Segmentation fault",
    "exit": "the decoder exited with code 7",
    "loop": "takes too long",
    "deaf": "takes too long",
    "memory": "no memory left",
    "fork": "fork is denied",
    "read": "open is denied",
}


def chunk(name, content, checksum=None):
    checksum = zlib.crc32(name + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(width, height, pixels=None, end=b""):
    """A grey picture; `pixels` are the compressed lines."""
    if pixels is None:
        pixels = zlib.compress(b"".join(b"\0" + bytes([100] * width) for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", end)


class Isolate(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(dir=os.environ.get("TEST_TMP")))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def decode(self, files, code):
        """The lines, {name: what is told}."""
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        done = subprocess.run(
            [PROGRAM, *files], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
        self.assertEqual((done.stderr, done.returncode), ("", code))
        lines = [line.split(": ", 1) for line in done.stdout.splitlines()]
        self.assertEqual([name for name, _ in lines], list(files))
        return dict(lines)

    def test_good_files_are_decoded(self):
        told = self.decode({"one": png(1, 1), "wide": png(500, 2), "large": png(2000, 3000)}, 0)
        wanted = {"one": "1x1", "wide": "500x2", "large": "2000x3000"}
        self.assertEqual(told, {name: f"{size}, brightness 100" for name, size in wanted.items()})

    def test_attacks_cost_their_files_only(self):
        files = {}
        for attack in ATTACKS:
            files[attack] = b"HOLE " + attack.encode()
            files[f"after {attack}"] = png(20, 10)
        told = self.decode(files, 1)
        for attack, words in ATTACKS.items():
            self.assertEqual(told[attack], words)
            self.assertEqual(told[f"after {attack}"], "20x10, brightness 100")

    def test_damaged_files_are_refused(self):
        good = png(60, 40)
        files = {
            "empty": b"",
            "text": b"not a picture",
            "signature only": good[:8],
            "truncated": good[: len(good) // 2],
            "checksum": good[:25] + bytes([good[25] ^ 1]) + good[26:],
            "no stream": png(60, 40, b"\0\1\2\3"),
            "short stream": png(60, 40, zlib.compress(b"\0" * 10)),
            "bomb": png(60000, 60000, zlib.compress(b"\0" * (1 << 20))),
        }
        told = self.decode({**files, "good": good}, 1)
        self.assertEqual(told.pop("good"), "60x40, brightness 100")
        self.assertEqual(told.pop("bomb"), "too large")
        for name, words in told.items():
            self.assertNotRegex(words, "brightness|died|exited|too long", name)

    def test_no_damage_stops_the_others(self):
        chance = random.Random(1)
        files = {}
        for number in range(150):
            content = bytearray(png(chance.randrange(1, 200), chance.randrange(1, 200)))
            for _ in range(chance.randrange(1, 6)):
                content[chance.randrange(8, len(content))] = chance.randrange(256)
            files[f"damaged {number}"] = bytes(content)
        told = self.decode({**files, "good": png(3, 3)}, 1)
        self.assertEqual(told["good"], "3x3, brightness 100")
        deaths = [words for words in told.values() if re.search("died|exited", words)]
        self.assertEqual(deaths, [])

    def test_what_cannot_be_opened_is_told(self):
        done = subprocess.run([PROGRAM, "missing"], cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual((done.stdout, done.returncode), ("missing: cannot be opened\n", 1))


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is missing")
        sys.exit(SKIPPED)
    unittest.main()
