"""What examples-c/sha256tree.c promises, on worker processes and on threads: its output is compared
with sha256sum's and with hashlib's.

    python3 ffi-tests/sha256tree.py [-v] [OnProcesses.test_...]
"""

import contextlib
import fcntl
import hashlib
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

from worker_processes import workers_of

PROGRAM = Path(__file__).resolve().parent.parent / "out" / "bin" / "sha256tree"
SECONDS = 30  # No run takes nearly as long: what does, hangs.
SKIPPED = 77  # What the driver of the tests takes for: nothing to test here.
NOBODY = 65534
SUM = "find %s -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum"


def sha256sum(*folders, cwd):
    """What sha256sum prints for the files below the folders, in the order of their paths."""
    command = ["sh", "-c", SUM % '"$@"', "sh", *folders]
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS).stdout


def by_hashlib(folder, cwd):
    """The same for plain names, without the help of any program."""
    lines = []
    for at, _, names in os.walk(os.fsencode(cwd / folder)):
        for name in names:
            path = os.path.join(at, name)
            digest = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
            lines.append((os.path.relpath(path, os.fsencode(cwd)), digest.encode()))
    return b"".join(digest + b"  " + path + b"\n" for path, digest in sorted(lines))


def has_open(pid, path):
    """Whether a process has the file open."""
    with contextlib.suppress(OSError):
        return any(os.path.realpath(file) == str(path) for file in Path(f"/proc/{pid}/fd").iterdir())
    return False


def runs(pid):
    """Whether there is such a process. One that nobody has taken leave of yet does not run."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


class Terminal:
    """The program with a terminal of its own."""

    def __init__(self, arguments, cwd, stdout=None):
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=cwd,
            stdin=other,
            stdout=stdout or other,
            stderr=other,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other)
        self.seen = b""

    def read(self):
        """More of what it writes; False when it has closed the terminal."""
        try:
            more = os.read(self.end, 1 << 16)
        except OSError:
            more = b""
        self.seen += more
        return bool(more)

    def close(self):
        while self.read():
            pass
        os.close(self.end)
        return self.process.wait(SECONDS)


class Promises:
    """Every promise is tested for each kind of workers; see the classes below."""

    options = []

    def setUp(self):
        self.cwd = Path(tempfile.mkdtemp(dir=os.environ.get("TEST_TMP")))
        self.cwd.chmod(0o755)
        self.tree = self.cwd / "tree"
        self.tree.mkdir()
        self.addCleanup(shutil.rmtree, self.cwd, ignore_errors=True)

    def arguments(self, *more):
        return [PROGRAM, *self.options, *more]

    def run_it(self, *more, code=0, **how):
        """stdout and stderr."""
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.cwd, "timeout": SECONDS, **how}
        done = subprocess.run(self.arguments(*more), **how)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout, done.stderr

    def agrees(self, *folders):
        """Runs it: nothing is complained about, and sha256sum prints the same and accepts it."""
        out, complaints = self.run_it(*folders)
        self.assertEqual(complaints, b"")
        self.assertEqual(out, sha256sum(*folders, cwd=self.cwd))
        if out:
            check = ["sha256sum", "--check", "--strict", "--quiet"]
            subprocess.run(check, input=out, cwd=self.cwd, check=True, timeout=SECONDS)
        return out

    def fill(self, files):
        for name, content in files.items():
            path = Path(os.fsdecode(os.path.join(os.fsencode(self.tree), os.fsencode(name))))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def huge(self, name):
        """A file without blocks that takes minutes to hash."""
        path = self.tree / name
        try:
            path.touch()
            os.truncate(path, 1 << 40)
        except OSError as error:
            self.skipTest(f"there can be no large file without blocks: {error}")
        return path

    # ---- what it prints -------------------------------------------------------------------------

    def test_prints_nothing_for_an_empty_folder(self):
        self.assertEqual(self.agrees("tree"), b"")

    def test_agrees_with_hashlib(self):
        self.fill({"empty": b"", "a": b"a", "sub/b": bytes(range(256)) * 999, "sub/sub/c": b"c" * (128 * 1024)})
        self.assertEqual(self.agrees("tree"), by_hashlib("tree", self.cwd))

    def test_paths_come_in_the_order_of_their_bytes(self):
        names = [b"a/z", b"a-b", b"a.c", b"a0", b"a/b/c", b"a/b-c", b"A", b"b", b"ab/c", b"a b/c", b"\xe4", b"\x01"]
        self.fill({name: name for name in names})
        lines = self.agrees("tree").splitlines()
        self.assertEqual([line[66:] for line in lines], sorted(line[66:] for line in lines))

    def test_any_name_is_printed_as_sha256sum_prints_it(self):
        names = [b"with space", b" ", b"new\nline", b"back\\slash", b"\\", b"\n", b"both\\n\n", b"\xff\xfe", b"tab\t"]
        names += [b"-dash", b"'quote\"", b"*?[", "ä€😀".encode(), b"\x1b[31m", b"new\nfolder/back\\slash", b"n" * 255]
        self.fill({name: name for name in names})
        lines = self.agrees("tree").splitlines()
        self.assertEqual(len(lines), len(names))

    def test_carriage_returns_are_escaped(self):
        self.fill({b"carriage\rreturn": b""})
        if not sha256sum("tree", cwd=self.cwd).startswith(b"\\"):
            self.skipTest("this sha256sum is older than that rule")
        self.agrees("tree")

    def test_folders_may_be_given_in_any_way(self):
        self.fill({"a/b": b"1", "c/d": b"2", "-/e": b"3"})
        for folders in (["tree/"], ["tree//"], ["."], ["./tree/../tree"], [str(self.tree)], ["tree/c", "tree/a"]):
            with self.subTest(folders=folders):
                self.agrees(*folders)
        os.symlink("tree", self.cwd / "link")
        out, _ = self.run_it("link")
        self.assertEqual(out, sha256sum("link/", cwd=self.cwd))
        out, _ = self.run_it("--", "-", cwd=self.tree)
        self.assertEqual(out, sha256sum("./-", cwd=self.tree).replace(b"./", b""))

    def test_more_files_than_are_in_flight(self):
        self.fill({f"{i % 7}/{i}": b"%d" % i for i in range(5000)})
        self.assertEqual(self.agrees("tree").count(b"\n"), 5000)

    def test_one_large_file_among_small_ones(self):
        self.fill({"a": b"a", "large": b"", "z": b"z"})
        with open(self.tree / "large", "r+b") as file:
            file.truncate(300_000_001)
            for at in (0, 128 * 1024 - 1, 150_000_000, 300_000_000):
                file.seek(at)
                file.write(b"x")
        self.agrees("tree")

    def test_folders_fifty_deep(self):
        self.fill({"/".join(f"level {i}" for i in range(50)) + "/file": b"deep"})
        self.agrees("tree")

    def test_paths_of_four_thousand_bytes(self):
        # The limit of the system is 4095, counted from the folder that the program was started in.
        self.fill({"/".join(["x" * 200] * 19) + "/" + "y" * 200: b"far"})
        self.assertEqual(len(self.agrees("tree").splitlines()[0]), 66 + len("tree/") + 19 * 201 + 200)

    def test_one_and_many_workers_print_the_same(self):
        self.fill({f"{i}": b"%d" % i * i for i in range(300)})
        for workers in (1, 16):
            out, _ = self.run_it("--workers", str(workers), "tree")
            self.assertEqual(out, by_hashlib("tree", self.cwd))

    # ---- what it leaves out ---------------------------------------------------------------------

    def test_links_and_special_files_are_skipped(self):
        self.fill({"file": b"file", "folder/inside": b"inside"})
        for name, target in {"to-file": "file", "to-folder": "folder", "circle": ".", "dangling": "nothing"}.items():
            os.symlink(target, self.tree / name)
        os.mkfifo(self.tree / "fifo")
        os.mknod(self.tree / "socket", stat.S_IFSOCK | 0o600)
        self.assertEqual(self.agrees("tree").count(b"\n"), 2)

    def test_what_cannot_be_read_is_told_and_the_rest_is_done(self):
        # Nobody can open a path that is too long, root neither.
        self.fill({"a": b"a", "z": b"z"})
        folder = os.open(self.tree, os.O_RDONLY)
        for _ in range(20):
            os.mkdir("d" * 200, dir_fd=folder)
            inside = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inside
        os.close(os.open("f" * 200, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.close(os.open("near", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.mkdir("e" * 200, dir_fd=folder)
        os.close(folder)
        out, complaints = self.run_it("tree", code=1)
        self.assertEqual(out, sha256sum("tree", cwd=self.cwd))
        self.assertEqual([line[66:71] for line in out.splitlines()], [b"tree/", b"tree/", b"tree/"])
        complaints = sorted(complaints.splitlines())
        self.assertEqual(len(complaints), 2)
        self.assertRegex(complaints[0], rb"^sha256tree: tree/.*/e{200}/: File name too long$")
        self.assertRegex(complaints[1], rb"^sha256tree: tree/.*/f{200}: File name too long$")

    def test_what_may_not_be_read_is_told_and_the_rest_is_done(self):
        self.fill({"a": b"a", "secret": b"", "closed/b": b"", "z": b"z"})
        (self.tree / "secret").chmod(0)
        (self.tree / "closed").chmod(0)
        self.addCleanup((self.tree / "closed").chmod, 0o700)
        how = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if how:
            try:
                subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, cwd=self.cwd, check=True, **how)
                subprocess.run(["ls", "tree"], stdout=subprocess.DEVNULL, cwd=self.cwd, check=True, **how)
            except (OSError, subprocess.CalledProcessError):
                self.skipTest("only root can use these folders, and nothing is closed to root")
        out, complaints = self.run_it("tree", code=1, **how)
        self.assertEqual([line[66:] for line in out.splitlines()], [b"tree/a", b"tree/z"])
        self.assertEqual(
            sorted(complaints.splitlines()),
            [b"sha256tree: tree/closed/: Permission denied", b"sha256tree: tree/secret: Permission denied"],
        )

    def test_a_folder_that_is_none_is_told_and_the_others_are_done(self):
        self.fill({"file": b"file"})
        out, complaints = self.run_it("nothing", "tree", "tree/file", "", code=1)
        self.assertEqual(out, sha256sum("tree", cwd=self.cwd))
        self.assertEqual(
            sorted(complaints.splitlines()),
            [
                b"sha256tree: : No such file or directory",
                b"sha256tree: nothing/: No such file or directory",
                b"sha256tree: tree/file/: Not a directory",
            ],
        )

    def test_names_in_complaints_stay_in_their_line(self):
        _, complaints = self.run_it("no\nthing", code=1)
        self.assertEqual(complaints, b"sha256tree: no\\nthing/: No such file or directory\n")

    # ---- what surrounds it ----------------------------------------------------------------------

    def test_wrong_usage_is_told(self):
        wrong = [[], ["--nothing", "tree"], ["--workers", "tree"], ["--threads"], ["tree", "--stats"]]
        wrong += [["--workers", n, "tree"] for n in ("0", "1025", "-1", "4294967297", "2x", "")]
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                out, complaints = self.run_it(*arguments, code=2)
                self.assertEqual(out, b"")
                self.assertIn(b"usage: sha256tree", complaints)

    def test_help_is_printed(self):
        out, complaints = self.run_it("--help")
        self.assertTrue(out.startswith(b"usage: sha256tree"))
        self.assertEqual(complaints, b"")

    def test_stats_are_left_in_a_file(self):
        self.fill({"a": b"a" * 1000, "b/c": b"c" * 234, "d": b""})
        self.run_it("--stats", "stats", "--workers", "1", "tree")
        stats = (self.cwd / "stats").read_text()
        self.assertRegex(stats, r"^files=3 bytes=1234 seconds=\d+\.\d{6} workers=1\n$")

    def test_output_that_cannot_be_written_is_told(self):
        self.fill({"a": b"a"})
        with open("/dev/full", "wb") as full:
            _, complaints = self.run_it("tree", code=1, stdout=full)
        self.assertEqual(complaints, b"sha256tree: stdout: No space left on device\n")

    def test_a_terminal_gets_a_bar_and_is_left_tidy(self):
        self.fill({f"{i}": b"%d" % i for i in range(500)})
        with open(self.cwd / "out", "w+b") as out:
            terminal = Terminal([*self.options, "tree"], self.cwd, stdout=out)
            self.assertEqual(terminal.close(), 0)
            out.seek(0)
            self.assertEqual(out.read(), sha256sum("tree", cwd=self.cwd))
        self.assertRegex(terminal.seen, rb"^\[#* *\] \d+ of 500 files, \d+ MB, \d+ MB/s\x1b\[K\r")
        self.assertTrue(terminal.seen.endswith(b"\r\x1b[K"))
        self.assertNotIn(b"\n", terminal.seen)

    def test_a_bar_and_the_results_share_a_terminal(self):
        self.fill({f"{i}": b"%d" % i for i in range(1000)})
        terminal = Terminal([*self.options, "tree", "nothing"], self.cwd)
        self.assertEqual(terminal.close(), 1)
        # What a line shows in the end is what came after it was last erased.
        lines = [line.rsplit(b"\r\x1b[K")[-1] for line in terminal.seen.split(b"\r\n")]
        self.assertEqual(lines.pop(), b"")
        lines.remove(b"sha256tree: nothing/: No such file or directory")
        self.assertEqual(lines, sha256sum("tree", cwd=self.cwd).splitlines())

    def test_ctrl_c_ends_it_and_leaves_the_terminal_tidy(self):
        self.huge("huge")
        terminal = Terminal([*self.options, "tree"], self.cwd)
        while b" of 1 files" not in terminal.seen and terminal.read():
            pass
        workers = workers_of(terminal.process.pid)
        os.write(terminal.end, b"\x03")
        self.assertEqual(terminal.close(), -signal.SIGINT)
        self.assertTrue(terminal.seen.endswith(b"\r\x1b[K"), terminal.seen[-80:])
        for worker in workers:
            self.await_it(lambda: not runs(worker), "the workers to leave")

    def await_it(self, condition, what):
        end = time.monotonic() + SECONDS
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited in vain for {what}")
            time.sleep(0.005)


class OnProcesses(Promises, unittest.TestCase):
    def test_a_lost_worker_costs_the_file_it_was_hashing(self):
        self.fill({"a": b"a", "z": b"z"})
        huge = self.huge("huge")
        process = subprocess.Popen(
            self.arguments("tree"), cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        busy = []
        try:
            self.await_it(
                lambda: busy.extend(pid for pid in workers_of(process.pid) if has_open(pid, huge)) or busy,
                "a worker that hashes the file",
            )
            os.kill(busy[0], signal.SIGKILL)
            out, complaints = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 1)
        self.assertEqual([line[66:] for line in out.splitlines()], [b"tree/a", b"tree/z"])
        self.assertTrue(re.fullmatch(rb"sha256tree: tree/huge: [^\n]+\n", complaints), complaints)


class OnThreads(Promises, unittest.TestCase):
    options = ["--threads"]

    def test_no_process_is_started(self):
        self.huge("huge")
        terminal = Terminal([*self.options, "tree"], self.cwd)
        while b" of 1 files" not in terminal.seen and terminal.read():
            pass
        self.assertEqual(workers_of(terminal.process.pid), [])
        terminal.process.kill()
        terminal.close()


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is missing")
        sys.exit(SKIPPED)
    unittest.main()
