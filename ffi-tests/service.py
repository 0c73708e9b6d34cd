"""What examples-c/service.c promises: answers, limits, signals, and how it ends.

    python3 ffi-tests/service.py [-v] [Service.test_...]
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from worker_processes import workers_of

PROGRAM = Path(__file__).resolve().parent.parent / "out" / "bin" / "service"
SECONDS = 30  # Nothing takes nearly as long: what does, hangs.
SKIPPED = 77  # What the driver of the tests takes for: nothing to test here.
LONG_MS = 600000
PRIME = 18446744073709551557  # The largest below 2^64: seconds of work.


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.lines = self.socket.makefile("r", encoding="ascii")

    def send(self, *lines):
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def answers(self, n):
        """The next n answers, {number of the request: answer}."""
        found = {}
        for _ in range(n):
            number, answer = self.lines.readline().rstrip("\n").split(" ", 1)
            assert number not in found
            found[int(number)] = answer
        return found

    def ask(self, line):
        self.send(line)
        (answer,) = self.answers(1).values()
        return answer

    def close(self):
        self.lines.close()
        self.socket.close()


class Service(unittest.TestCase):
    def setUp(self):
        self.cwd = Path(tempfile.mkdtemp(dir=os.environ.get("TEST_TMP"), prefix="s"))
        self.addCleanup(shutil.rmtree, self.cwd, ignore_errors=True)
        self.process = None

    def start(self, soft_ms=LONG_MS - 1, hard_ms=LONG_MS, grace_ms=LONG_MS):
        arguments = [PROGRAM, "socket", str(soft_ms), str(hard_ms), str(grace_ms)]
        self.process = subprocess.Popen(
            arguments, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(self.kill)
        self.assertEqual(self.process.stdout.readline(), "ready\n")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def client(self):
        # A path from here: those of sockets must be short.
        with contextlib.chdir(self.cwd):
            client = Client("socket")
        self.addCleanup(client.close)
        return client

    def signal(self, number):
        self.process.send_signal(number)

    def state(self):
        """What SIGUSR1 prints."""
        self.signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def wait_until(self, what, is_so):
        end = time.monotonic() + SECONDS
        while not is_so():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.005)

    def ends(self, code):
        """It ends by itself, and leaves nothing. What it complained of."""
        workers = workers_of(self.process.pid)
        out, complaints = self.process.communicate(timeout=SECONDS)
        self.assertEqual((self.process.returncode, out), (code, ""), complaints)
        self.assertFalse((self.cwd / "socket").exists())
        for worker in workers:
            self.wait_until("a worker is left", lambda: not Path(f"/proc/{worker}/exe").exists())
        return complaints

    # ---- answers ----------------------------------------------------------------------------------

    def test_lines_are_answered(self):
        self.start()
        client = self.client()
        self.assertEqual(client.ask("factor 91"), "ok 7 13")
        self.assertEqual(client.ask("factor 1"), "ok")
        self.assertEqual(client.ask(f"factor {2**63}"), "ok" + 63 * " 2")
        self.assertEqual(client.ask("factor 1000003"), "ok 1000003")
        for nonsense in ("factor", "factor 0", "factor x", "hello", ""):
            self.assertEqual(client.ask(nonsense), "error neither factor N, nap MS nor crash")
        client.socket.sendall(b"fac")
        client.socket.sendall(b"tor 6\nfactor 10\n")
        self.assertEqual(client.answers(2), {10: "ok 2 3", 11: "ok 2 5"})
        client.send(*(f"factor {n}" for n in range(2, 2000, 2)))
        answers = client.answers(999)
        self.assertEqual(sorted(answers), list(range(12, 1011)))
        self.assertTrue(all(answer.startswith("ok 2") for answer in answers.values()))
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "")

    def test_clients_do_not_disturb_each_other(self):
        self.start()
        gone, rude, good = self.client(), self.client(), self.client()
        gone.send("nap 50", "factor 15", "nap 50")
        gone.close()
        rude.send("x" * 300)
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(rude.lines.read(), "")  # Sent away.
        self.assertEqual(good.ask("factor 35"), "ok 5 7")
        self.signal(signal.SIGINT)
        self.assertEqual(self.ends(0), "")

    def test_who_reads_nothing_is_sent_away(self):
        self.start()
        lazy, good = self.client(), self.client()
        lazy.socket.settimeout(None)
        with self.assertRaises(OSError):
            while True:
                lazy.send(*["wrong"] * 1000)
        self.assertEqual(good.ask("factor 35"), "ok 5 7")
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "")

    def test_a_crash_costs_one_request(self):
        self.start()
        client = self.client()
        client.send("crash", *(f"factor {n}" for n in range(2, 60)))
        answers = client.answers(59)
        self.assertRegex(answers[1], r"error .*signal 6")
        self.assertEqual({answer[:3] for number, answer in answers.items() if number > 1}, {"ok "})
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "")

    # ---- limits -----------------------------------------------------------------------------------

    def test_who_listens_ends_at_the_soft_limit(self):
        self.start(soft_ms=50)
        client = self.client()
        self.assertEqual(client.ask(f"factor {PRIME}"), "error it would take too long")
        self.assertEqual(client.ask("factor 6"), "ok 2 3")
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "service: request 1 has run for 50 ms: it is asked to end\n")

    def test_who_does_not_is_ended_at_the_hard_limit(self):
        self.start(soft_ms=30, hard_ms=90)
        client = self.client()
        self.assertRegex(client.ask(f"nap {LONG_MS}"), "error .*longer than 90 ms")
        self.assertEqual(client.ask("factor 6"), "ok 2 3")
        self.signal(signal.SIGTERM)
        asked = "service: request 1 has run for 30 ms: it is asked to end\n"
        self.assertEqual(self.ends(0), asked + "service: request 1 has run for 90 ms: it is ended\n")

    # ---- signals ----------------------------------------------------------------------------------

    def test_sigusr1_tells_the_state(self):
        self.start()
        client = self.client()
        state = self.state()
        self.assertEqual((state["name"], state["kind"]), ("service", "process"))
        self.assertEqual(state["timeouts"], {"soft_ms": LONG_MS - 1, "hard_ms": LONG_MS})
        self.assertEqual(state["stats"]["tasks_submitted"], 0)
        client.send("factor 6", "wrong", "nap 1000")
        client.answers(2)
        self.wait_until("nobody naps", lambda: self.state()["busy"] == 1)
        state = self.state()
        self.assertEqual(state["stats"]["tasks_submitted"], 3)
        self.assertEqual((state["stats"]["tasks_completed"], state["stats"]["tasks_failed"]), (1, 1))
        # One that is starting is there before the pool knows its process.
        listed = lambda: sorted(self.state()["processes"]) == sorted(workers_of(self.process.pid))
        self.wait_until("the workers are not listed", listed)
        client.answers(1)
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "")

    def test_sighup_replaces_the_workers(self):
        self.start()
        client, seen = self.client(), set()
        for _ in range(2):
            client.send(*(["nap 20", "factor 12345678"] * 20))
            self.wait_until("no worker", lambda: set(workers_of(self.process.pid)) - seen)
            seen |= set(workers_of(self.process.pid))
            self.signal(signal.SIGHUP)
            self.assertEqual({answer[:2] for answer in client.answers(40).values()}, {"ok"})
            self.wait_until("old workers stay", lambda: not seen & set(workers_of(self.process.pid)))
        self.signal(signal.SIGTERM)
        self.assertEqual(self.ends(0), "")

    def test_stopping_lets_everything_end(self):
        self.start()
        client = self.client()
        client.send(*["nap 30"] * 20)
        client.answers(1)
        self.signal(signal.SIGTERM)
        answers = client.answers(19)
        self.assertEqual(set(answers.values()), {"ok"})
        self.assertEqual(client.lines.read(), "")
        self.assertEqual(self.ends(0), "")

    def test_who_comes_while_it_stops_is_refused(self):
        self.start()
        client = self.client()
        client.send("nap 700")
        self.wait_until("no worker", lambda: workers_of(self.process.pid))
        self.signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                self.client().close()
                time.sleep(0.005)
        client.send("factor 6")
        self.assertEqual(client.answers(2), {1: "ok", 2: "error the pool is closed"})
        self.assertEqual(self.ends(0), "")

    def escalate(self, how):
        """Some requests run for ever and others wait for them. What it complained of."""
        client = self.client()
        client.send(*[f"nap {LONG_MS}"] * 60)
        self.wait_until("no worker", lambda: workers_of(self.process.pid))
        how()
        answers = client.answers(60)
        self.assertEqual({answer[:6] for answer in answers.values()}, {"error "})
        self.assertGreater(len(set(answers.values())), 1)  # Cancelled, and killed.
        return self.ends(1)

    def test_each_further_signal_stops_harder(self):
        self.start()

        def signals():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                self.signal(number)
                time.sleep(0.05)

        self.assertEqual(self.escalate(signals), "")

    def test_and_so_does_time(self):
        self.start(grace_ms=50)
        self.assertEqual(self.escalate(lambda: self.signal(signal.SIGTERM)), "")

    # ---- what surrounds it ------------------------------------------------------------------------

    def test_workers_do_not_survive_it(self):
        self.start()
        client = self.client()
        client.send("nap 60000")
        self.wait_until("no worker", lambda: workers_of(self.process.pid))
        workers = workers_of(self.process.pid)
        self.process.kill()
        self.process.wait(SECONDS)
        for worker in workers:
            self.wait_until("a worker is left", lambda: not Path(f"/proc/{worker}/exe").exists())

    def test_wrong_usage_is_told(self):
        for arguments in ([], ["a", "b"], ["x" * 200], ["socket", "100", "50", "1"], ["missing/socket"]):
            done = subprocess.run([PROGRAM, *arguments], cwd=self.cwd, capture_output=True, timeout=SECONDS)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)
            self.assertRegex(done.stderr, b"^(usage|service): ")


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} is missing")
        sys.exit(SKIPPED)
    unittest.main()
