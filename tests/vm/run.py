# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests: one line for each, and at the end `N passed, N failed`."""
from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import artifacts
import cases
import cases_update  # noqa: F401  (adds to cases.ALL)
import cases_refused  # noqa: F401  (adds to cases.ALL)
import cases_death  # noqa: F401  (adds to cases.ALL)
import cases_iommu  # noqa: F401  (adds to cases.ALL)
import cases_kernel  # noqa: F401  (adds to cases.ALL)
import cases_debug  # noqa: F401  (adds to cases.ALL)
import cases_transaction  # noqa: F401  (adds to cases.ALL)
import cases_state  # noqa: F401  (adds to cases.ALL)
import cases_crash  # noqa: F401  (adds to cases.ALL)
import cases_inside  # noqa: F401  (adds to cases.ALL)
import cases_skew  # noqa: F401  (adds to cases.ALL)
import cases_mana  # noqa: F401  (adds to cases.ALL)
import cases_nic  # noqa: F401  (adds to cases.ALL)
import cases_tap  # noqa: F401  (adds to cases.ALL)
import cases_systemd  # noqa: F401  (adds to cases.ALL)
from cases import Context, Failure
from complaints import on_console
from paravisor import accel
from qemu import NoQemu

FLAVOURS = {"kernel": "debug", "model": "debug", "systemd": "debug"}        # of the kernel, by suite; the others run on the paravisor's


@dataclass
class Result:
    test: str       # its name
    error: str      # what is wrong, "" if nothing is
    seconds: float
    directory: Path


def judge(test: cases.Case, context: Context) -> Result:
    directory = context.begin(test.name)
    start = time.monotonic()
    errors = []
    try:
        test.function(context)
    except Failure as e:
        errors.append(str(e))
    except Exception as e:      # of whatever kind: the other tests still run
        errors.append(f"{type(e).__name__}: {e}")
        (directory / "traceback").write_text(traceback.format_exc())
    if not context.complaints_expected:
        errors += [f"console: {line}" for line in on_console(directory)]
    return Result(test.name, "\n".join(errors), time.monotonic() - start, directory)


def tell(result: Result, what: str) -> None:
    print(f"{'FAIL' if result.error else 'PASS'} {result.test} ({result.seconds:.0f} s): {what}", flush=True)
    if result.error:
        for line in result.error.splitlines():
            print(f"     {line}")
        print(f"     logs: {result.directory}", flush=True)


_context: Context       # of a worker process


def _worker_begin(context: Context) -> None:
    global _context
    _context = context


def _worker_judge(name: str) -> Result:
    return judge(next(t for t in cases.ALL if t.name == name), _context)


def run_all(tests: list[cases.Case], context: Context, jobs: int) -> int:
    """How many have failed. A guest's two processors are seldom both busy, so machines run side by side, each in a process
    of its own."""
    what = {test.name: test.what for test in tests}
    with multiprocessing.Pool(min(jobs, len(tests)), _worker_begin, (context,)) as pool:
        failed = 0
        for result in pool.imap_unordered(_worker_judge, what):
            tell(result, what[result.test])
            failed += bool(result.error)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", choices=("smoke", "vm", "kernel", "model", "systemd"), default="vm")
    parser.add_argument("--test", metavar="NAME", action="append", help="only this test, and others for which it is said again")
    parser.add_argument("--kernel", type=Path, help="instead of the one of `make kernel`")
    parser.add_argument("--image", type=Path, help="instead of the one of `make image`")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at a time (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="names and what they show")
    options = parser.parse_args()
    tests = [t for t in cases.ALL if options.suite in t.suites and (not options.test or t.name in options.test)]
    if options.list:
        for test in tests:
            print(f"{test.name}: {test.what}")
        return 0
    if not tests:
        # A name of another suite: this one has nothing to say about it.
        print("0 passed, 0 failed")
        return 0
    try:
        kernel = (options.kernel or artifacts.kernel(FLAVOURS.get(options.suite, ""))).resolve()
        image = (options.image or artifacts.image()).resolve()
        context = Context(kernel, image, artifacts.build_dir() / "vm" / options.suite, accel(kernel))
    except (artifacts.NotBuilt, NoQemu) as e:
        print(f"run.py: {e}", file=sys.stderr)
        print(f"0 passed, {len(tests)} failed")
        return 1
    failed = run_all(tests, context, max(1, options.jobs))
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
