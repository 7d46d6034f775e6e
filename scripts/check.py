#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run tests, sum their results up, and end with the line "N passed, N failed".

The status is 0 only if something passed and nothing failed. Each argument is SUITE=KIND:WHAT, where KIND says
how results are read:

  check:PROGRAM     a check(3) program: its TAP log
  tap:COMMAND       a command that prints TAP
  python:DIRECTORY  unittest files test_*.py
  counted:COMMAND   a command whose last line is "N passed, N failed"

A test name given with --test selects programs of that name (with or without test_), or, if there is none, cases
within them. The complete output of each program is kept under --logs.

Programs of the kinds check and python, which say nothing until they end, run on all processors at once, the others
one after the other. What is given with --beside runs beside everything else, on the processor time that this leaves
over; its results come last.
"""

import argparse
import concurrent.futures
import itertools
import os
import re
import shlex
import subprocess
import sys
import threading
import time

TAP = re.compile(r"^(not )?ok\b\s*\d*\s*(?:- )?(.*)$")
COUNTED = re.compile(r"^(\d+) passed, (\d+) failed$")
UNITTEST = ("import sys, unittest\n"
            "class R(unittest.TextTestResult):\n"
            "    def line(self, ok, test): print(('ok - ' if ok else 'not ok - ') + test.id(), flush=True)\n"
            "    def addSuccess(self, test): super().addSuccess(test); self.line(True, test)\n"
            "    def addFailure(self, test, e): super().addFailure(test, e); self.line(False, test)\n"
            "    def addError(self, test, e): super().addError(test, e); self.line(False, test)\n"
            "    def addSkip(self, test, r): super().addSkip(test, r); print('ok - ' + test.id() + ' # SKIP ' + r)\n"
            "directory, names = sys.argv[1], sys.argv[2:]\n"
            "loader = unittest.TestLoader()\n"
            "loader.testNamePatterns = ['*%s*' % n for n in names] or None\n"
            "tests = loader.discover(directory, 'test_*.py')\n"
            "result = unittest.TextTestRunner(resultclass=R, verbosity=0).run(tests)\n"
            "sys.exit(not result.wasSuccessful())\n")


class Item:
    def __init__(self, text, beside=False):
        self.beside = beside
        self.suite, _, rest = text.partition("=")
        self.kind, _, self.what = rest.partition(":")
        if self.kind not in ("check", "tap", "python", "counted") or not self.what:
            sys.exit(f"check: {text}: not SUITE=KIND:WHAT")
        words = shlex.split(self.what)
        self.name = os.path.basename(words[0])
        if self.name.startswith("python"):
            self.name = os.path.basename(words[1])

    def is_called(self, name):
        plain = re.sub(r"\.(sh|py)$", "", self.name)
        return name in (self.name, plain, re.sub("^test_", "", plain))


class Run:
    """One program's run: output goes to a log, and live to the terminal where a run takes long."""

    def __init__(self, item, case, logs):
        self.item, self.case = item, case
        self.live = item.kind in ("tap", "counted") and not item.beside
        self.log = os.path.join(logs, f"{item.suite}-{item.name}.log")
        self.tap = os.path.join(logs, f"{item.suite}-{item.name}.tap")
        self.passed, self.failures, self.skipped = 0, [], []
        self.seconds = 0.0

    def command(self):
        item = self.item
        if item.kind == "python":
            return [sys.executable, "-c", UNITTEST, item.what] + ([self.case] if self.case else [])
        words = shlex.split(item.what)
        if item.kind == "counted" and self.case:
            words += ["--test", self.case]
        return words

    def environment(self):
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        if self.item.kind == "check":
            env.update(CK_TAP_LOG_FILE_NAME=self.tap, CK_VERBOSITY="silent")
        if self.case:
            env.update(CK_RUN_CASE=self.case, T=self.case)
        return env

    def run(self):
        start = time.monotonic()
        self.run_program()
        self.seconds = time.monotonic() - start

    def run_program(self):
        lines = []
        if os.path.exists(self.tap):
            os.unlink(self.tap)
        with open(self.log, "w", encoding="utf-8") as log:
            try:
                process = subprocess.Popen(self.command(), env=self.environment(), text=True, errors="replace",
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                           preexec_fn=yield_to_others if self.item.beside else None)
            except OSError as error:
                self.failures.append(f"cannot be run: {error.strerror}")
                return
            for line in process.stdout:
                log.write(line)
                lines.append(line.rstrip("\n"))
                if self.live:
                    print("    " + line, end="", flush=True)
            status = process.wait()
        if self.item.kind == "check":
            try:
                with open(self.tap, encoding="utf-8", errors="replace") as tap:
                    lines = [line.rstrip("\n") for line in tap]
            except OSError:
                lines = []
        if self.item.kind == "counted":
            self.read_counted(lines)
        else:
            self.read_tap(lines)
        if status != 0 and not self.failures:
            how = f"killed by signal {-status}" if status < 0 else f"status {status}"
            self.failures.append(f"ended with {how} (see {self.log})")

    def read_tap(self, lines):
        seen, plan = 0, None
        for line in lines:
            if re.match(r"^1\.\.\d+", line):
                plan = int(re.match(r"^1\.\.(\d+)", line).group(1))
            match = TAP.match(line)
            if not match:
                continue
            seen += 1
            failed, text = match.groups()
            if "# SKIP" in text:
                self.skipped.append(text)
            elif failed:
                self.failures.append(text)
            else:
                self.passed += 1
        if plan is not None and seen != plan:
            self.failures.append(f"{plan} tests planned, {seen} reported")
        if self.item.kind != "python" and plan is None:
            self.failures.append(f"no TAP plan: it stopped early (see {self.log})")

    def read_counted(self, lines):
        last = next((line for line in reversed(lines) if line.strip()), "")
        match = COUNTED.match(last)
        if not match:
            self.failures.append(f'last line is not "N passed, N failed" (see {self.log})')
            return
        self.passed = int(match.group(1))
        self.failures += [f"see above, or {self.log}"] * int(match.group(2))


def yield_to_others():
    """In a child: run when nobody else wants to."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def select(items, name):
    """The items to run, and the name of a case within them."""
    if not name:
        return items, None
    called = [item for item in items if item.is_called(name)]
    return (called, None) if called else (items, name)


class Tally:
    """What all runs came to."""

    def __init__(self, case):
        self.case = case
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, run):
        item = run.item
        if self.case and not run.passed and not run.failures:
            return
        print(f"{item.suite}: {item.name}: {run.passed} passed, {len(run.failures)} failed"
              f"{f', {len(run.skipped)} skipped' if run.skipped else ''} ({run.seconds:.1f} s)", flush=True)
        for text in run.failures:
            print(f"    FAIL {text}")
        if run.failures and not run.live:
            print_tail(run.log)
        self.passed += run.passed
        self.failed += [f"{item.suite}: {item.name}: {text}" for text in run.failures]
        self.skipped += [f"{item.suite}: {item.name}: {text}" for text in run.skipped]

    def tell(self):
        """The status to end with."""
        if self.skipped:
            print("\nskipped:\n    " + "\n    ".join(self.skipped))
        if self.failed:
            print("\nfailed:\n    " + "\n    ".join(self.failed))
        if not self.passed and not self.failed:
            print(f"\nno test ran{f': there is none called {self.case}' if self.case else ''}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 0 if self.passed and not self.failed else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--logs", required=True, help="directory for output")
    parser.add_argument("--test", default="", help="program or case to run")
    parser.add_argument("--beside", action="append", default=[], metavar="SUITE=KIND:WHAT", help="run beside the others")
    parser.add_argument("items", nargs="*", metavar="SUITE=KIND:WHAT")
    args = parser.parse_args()
    os.makedirs(args.logs, exist_ok=True)

    items, case = select([Item(text) for text in args.items] + [Item(text, True) for text in args.beside], args.test)
    tally = Tally(case)
    beside = [Run(item, case, args.logs) for item in items if item.beside]
    threads = [threading.Thread(target=run.run) for run in beside]
    for thread in threads:
        thread.start()
    runs = [Run(item, case, args.logs) for item in items if not item.beside]
    for live, group in itertools.groupby(runs, lambda run: run.live):
        if live:
            run_live(group, tally)
        else:
            run_together(group, tally)
    for thread, run in zip(threads, beside):
        if thread.is_alive():
            print(f"{run.item.suite}: {run.item.name}: the rest of what ran beside the others", flush=True)
        thread.join()
        tally.add(run)
    return tally.tell()


def run_live(runs, tally):
    for run in runs:
        print(f"{run.item.suite}: {run.item.name}", flush=True)
        run.run()
        tally.add(run)


def run_together(runs, tally):
    """Results are told in the order of the runs, each as soon as those before it have ended."""
    runs = list(runs)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for run, future in zip(runs, [pool.submit(run.run) for run in runs]):
            future.result()
            tally.add(run)


def print_tail(path, count=40):
    with open(path, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    for line in lines[:count]:
        print("    | " + line)
    if len(lines) > count:
        print(f"    | ... {len(lines) - count} more lines in {path}")


if __name__ == "__main__":
    sys.exit(main())
