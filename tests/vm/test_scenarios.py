# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md lists the tests that there are, and no two have the same name."""
from __future__ import annotations

import unittest

import cases
import scenarios


class TestScenarios(unittest.TestCase):
    def test_readme_is_current(self) -> None:
        text = scenarios.README.read_text()
        self.assertEqual(text, scenarios.updated(text), "run tests/vm/scenarios.py --write")

    def test_names_are_unique(self) -> None:
        names = [test.name for test in cases.ALL]
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_a_readme_without_a_place_is_an_error(self) -> None:
        with self.assertRaises(ValueError):
            scenarios.updated("# Tests\n")


if __name__ == "__main__":
    unittest.main()
