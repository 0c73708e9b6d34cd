"""What examples-c/mandelbrot.c promises, on worker processes and on threads: its pictures are decoded
here, without the library that has written them.

    python3 ffi-tests/mandelbrot.py [-v] [OnProcesses.test_...]
"""

import contextlib
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

from worker_processes import workers_of

PROGRAM = Path(__file__).resolve().parent.parent / "out" / "bin" / "mandelbrot"
SECONDS = 30  # No run takes nearly as long: what does, hangs.
SKIPPED = 77  # What the driver of the tests takes for: nothing to test here.
BLACK = (0, 0, 0)


def chunks(data):
    """The chunks of a PNG file, (name, content); fails where one is damaged or there is more."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, []
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        assert crc == zlib.crc32(name + content), f"the checksum of {name} is wrong"
        found.append((name, content))
        at += 12 + length
    assert found[0][0] == b"IHDR" and found[-1] == (b"IEND", b"")
    return found


def nearest(left, above, corner):
    """Which of three neighbours is nearest to left + above - corner."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def unfiltered(filter_type, line, before):
    """A line of pixels, 3 bytes each, given what is stored and the line before."""
    line = bytearray(line)
    for i, byte in enumerate(line):
        left, corner = (line[i - 3], before[i - 3]) if i >= 3 else (0, 0)
        above = before[i]
        guess = (0, left, above, (left + above) // 2, nearest(left, above, corner))[filter_type]
        line[i] = (byte + guess) & 255
    return line


class Picture:
    def __init__(self, data):
        found = chunks(data)
        self.width, self.height, *self.format = struct.unpack(">IIBBBBB", found[0][1])
        pixels = zlib.decompress(b"".join(content for name, content in found if name == b"IDAT"))
        stride = 1 + 3 * self.width
        assert len(pixels) == self.height * stride
        self.lines = [bytearray(3 * self.width)]
        for at in range(0, len(pixels), stride):
            self.lines.append(unfiltered(pixels[at], pixels[at + 1 : at + stride], self.lines[-1]))
        del self.lines[0]

    def pixel(self, column, line):
        return tuple(self.lines[line][3 * column : 3 * column + 3])

    def at(self, x, y, view):
        """The pixel for a point of the plane."""
        middle_x, middle_y, span = view
        step = span / self.width
        return self.pixel(int((x - middle_x) / step + self.width / 2), int((middle_y - y) / step + self.height / 2))

    def colours(self):
        return {self.pixel(column, line) for line in range(self.height) for column in range(self.width)}


class Promises:
    """Every promise is tested for each kind of workers; see the classes below."""

    options = []

    def setUp(self):
        self.cwd = Path(tempfile.mkdtemp(dir=os.environ.get("TEST_TMP")))
        self.addCleanup(shutil.rmtree, self.cwd, ignore_errors=True)

    def arguments(self, *more):
        return [PROGRAM, *self.options, *more]

    def run_it(self, *more, code=0):
        """stdout and stderr."""
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "cwd": self.cwd, "timeout": SECONDS}
        done = subprocess.run(self.arguments(*more), **how)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout, done.stderr

    def draw(self, *more):
        """The bytes of the file. Nothing is printed where there is no terminal."""
        self.assertEqual(self.run_it("--output", "picture.png", *more), (b"", b""))
        return (self.cwd / "picture.png").read_bytes()

    # ---- what it draws --------------------------------------------------------------------------

    def test_it_is_a_picture_of_the_size_that_was_wanted(self):
        for width, height in ((1, 1), (7, 5), (300, 1), (1, 300), (64, 48)):
            with self.subTest(width=width, height=height):
                picture = Picture(self.draw("--size", f"{width}x{height}"))
                self.assertEqual((picture.width, picture.height), (width, height))
                self.assertEqual(picture.format, [8, 2, 0, 0, 0])  # 8 bits, RGB, nothing special.

    def test_points_of_the_set_are_black_and_others_are_not(self):
        picture, view = Picture(self.draw("--size", "160x100")), (-0.7, 0, 4)
        for x, y in ((0, 0), (-0.5, 0), (-1, 0), (0.2, 0.2), (0.2, -0.2), (-0.1225, 0.7449)):
            self.assertEqual(picture.at(x, y, view), BLACK, (x, y))
        for x, y in ((-2.5, 0), (1, 0), (0.5, 0.7), (-1.5, 1), (-2, -1.2), (0.4, 0)):
            self.assertNotEqual(picture.at(x, y, view), BLACK, (x, y))

    def test_it_shows_what_is_viewed(self):
        for view in ("-1,0.2,1e-4", "0,0,0.1", "-0.1225,0.7449,0.01"):
            picture = Picture(self.draw("--size", "80x60", "--view", view))
            self.assertEqual(picture.colours(), {BLACK}, view)
        for view in ("-0.75,0.1,0.0004", "1000,-1000,1000", "0.5,0.5,0.01"):
            picture = Picture(self.draw("--size", "80x60", "--view", view))
            self.assertNotIn(BLACK, picture.colours(), view)
        # The tip of the cardioid is where it belongs, also far enlarged.
        view = (0.25, 0, 0.001)
        picture = Picture(self.draw("--size", "101x51", "--view", "0.25,0,0.001"))
        self.assertEqual(picture.at(0.2497, 0, view), BLACK)
        self.assertNotEqual(picture.at(0.2503, 0, view), BLACK)

    def test_the_halves_mirror_each_other(self):
        picture = Picture(self.draw("--size", "90x60"))
        for line in range(30):
            pairs = zip(picture.lines[line], picture.lines[59 - line])
            self.assertLessEqual(max(abs(one - other) for one, other in pairs), 1, line)

    def test_colours_are_smooth(self):
        # From near the set to far away; whole numbers of steps would make some ten bands.
        picture = Picture(self.draw("--size", "200x4", "--view", "0.55,0.5,0.3"))
        self.assertGreater(len(picture.colours()), 100)
        line = [picture.pixel(column, 0) for column in range(200)]
        changes = [max(abs(a - b) for a, b in zip(*pair)) for pair in zip(line, line[1:])]
        self.assertLess(max(changes), 10)

    def test_every_kind_and_number_of_workers_writes_the_same_bytes(self):
        size = ["--size", "123x77"]
        wanted = self.draw(*size, "--workers", "1")
        for more in (["--workers", "2"], ["--workers", "7"], [], ["--threads", "--workers", "2"]):
            self.assertEqual(self.draw(*size, *more), wanted, more)

    def test_without_options_it_leaves_mandelbrot_png(self):
        self.assertEqual(self.run_it(), (b"", b""))
        header = chunks((self.cwd / "mandelbrot.png").read_bytes())[0][1]
        self.assertEqual(struct.unpack(">II", header[:8]), (1280, 800))

    # ---- what surrounds it ----------------------------------------------------------------------

    def test_wrong_usage_is_told(self):
        wrong = [["--workers", n] for n in ("0", "1025", "-1", "4294967297", "2x", "", " 2")]
        wrong += [["--size", s] for s in ("", "640", "640x", "x480", "0x480", "640x0", "640x480x2", "-1x5", "1x40000")]
        wrong += [["--size", "1x18446744073709551617"], ["--size", "640X480"], ["--size", "6.4x4"]]
        wrong += [["--view", v] for v in ("", "1", "1,2", "1,2,3,4", "1,2,0", "1,2,-3", "a,b,c", "nan,0,1", "0,inf,1", "0,0,1001")]
        wrong += [["--nothing"], ["stray"], ["--size"], ["--output"], ["--", "stray"]]
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                out, complaints = self.run_it(*arguments, code=2)
                self.assertEqual(out, b"")
                first, rest = complaints.split(b"\n", 1)
                self.assertIn(b"mandelbrot: ", first)
                self.assertTrue(rest.startswith(b"usage: mandelbrot"), rest)
        self.assertEqual(list(self.cwd.iterdir()), [])

    def test_help_is_printed(self):
        out, complaints = self.run_it("--help")
        self.assertTrue(out.startswith(b"usage: mandelbrot"))
        self.assertEqual(complaints, b"")

    def test_output_that_cannot_be_written_is_told(self):
        for path, why in {
            "missing/picture.png": b"No such file or directory",
            ".": b"Is a directory",
            "/dev/full": b"No space left on device",
            "": b"No such file or directory",
        }.items():
            for size in ("2x2", "300x200"):
                with self.subTest(path=path, size=size):
                    out, complaints = self.run_it("--size", size, "--output", path, code=1)
                    self.assertEqual(out, b"")
                    self.assertEqual(complaints, b"mandelbrot: %s: %s\n" % (path.encode(), why))

    def test_a_terminal_gets_a_bar_and_is_left_tidy(self):
        end, other = pty.openpty()
        arguments = self.arguments("--size", "40x300")
        process = subprocess.Popen(arguments, cwd=self.cwd, stdin=other, stdout=other, stderr=other)
        os.close(other)
        seen = b""
        with contextlib.suppress(OSError):  # That the other end is closed is told by an error.
            while more := os.read(end, 1 << 16):
                seen += more
        os.close(end)
        self.assertEqual(process.wait(SECONDS), 0)
        self.assertTrue(seen.startswith(b"\r["), seen[:80])
        self.assertIn(b"\r[##########          ] 50 %", seen)
        self.assertTrue(seen.endswith(b"100 %\r\x1b[K"), seen[-80:])
        self.assertNotIn(b"\n", seen)


class OnProcesses(Promises, unittest.TestCase):
    def test_a_row_whose_worker_is_lost_is_drawn_again(self):
        # The rows are many and slow, so a worker that is there is at work.
        size = ["--size", "1000x400", "--view", "-0.745,0.113,0.01", "--workers", "1"]
        wanted = self.draw(*size)
        process = subprocess.Popen(self.arguments("--output", "again.png", *size), cwd=self.cwd)
        self.addCleanup(process.kill)
        end, killed = time.monotonic() + SECONDS, set()
        while process.poll() is None and len(killed) < 3:
            self.assertLess(time.monotonic(), end, "it hangs")
            for worker in set(workers_of(process.pid)) - killed:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
            time.sleep(0.05)
        self.assertEqual(process.wait(SECONDS), 0)
        self.assertEqual((self.cwd / "again.png").read_bytes(), wanted)
        self.assertTrue(killed)


class OnThreads(Promises, unittest.TestCase):
    options = ["--threads"]

    def test_no_process_is_started(self):
        arguments = self.arguments("--size", "2000x2000", "--view", "-0.745,0.113,0.01")
        process = subprocess.Popen(arguments, cwd=self.cwd)
        try:
            while len(list(Path(f"/proc/{process.pid}/task").iterdir())) < 3:
                self.assertIsNone(process.poll())
                time.sleep(0.005)
            self.assertEqual(workers_of(process.pid), [])
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is missing")
        sys.exit(SKIPPED)
    unittest.main()
