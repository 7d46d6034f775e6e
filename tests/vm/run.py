# SPDX-License-Identifier: GPL-2.0-or-later
"""VM tests: one line for each, and at the end `N passed, N failed`."""
from __future__ import annotations

import argparse
import sys
import time
import traceback
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
from cases import Context, Failure
from complaints import on_console
from paravisor import accel
from qemu import NoQemu

FLAVOURS = {"kernel": "debug", "model": "debug"}        # of the kernel, by suite; the others run on the paravisor's


def judge(test: cases.Case, context: Context) -> str:
    """Run a test; what is wrong, "" if nothing is."""
    directory = context.begin(test.name)
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
    return "\n".join(errors)


def run_one(test: cases.Case, context: Context) -> bool:
    start = time.monotonic()
    error = judge(test, context)
    print(f"{'FAIL' if error else 'PASS'} {test.name} ({time.monotonic() - start:.0f} s): {test.what}", flush=True)
    if not error:
        return True
    for line in error.splitlines():
        print(f"     {line}")
    print(f"     logs: {context.directory}", flush=True)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", choices=("smoke", "vm", "kernel", "model"), default="vm")
    parser.add_argument("--test", metavar="NAME", help="only this test")
    parser.add_argument("--kernel", type=Path, help="instead of the one of `make kernel`")
    parser.add_argument("--image", type=Path, help="instead of the one of `make image`")
    parser.add_argument("--list", action="store_true", help="names and what they show")
    options = parser.parse_args()
    tests = [t for t in cases.ALL if options.suite in t.suites and options.test in (None, t.name)]
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
    failed = sum(not run_one(test, context) for test in tests)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
