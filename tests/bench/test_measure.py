# SPDX-License-Identifier: BSD-2-Clause
import unittest

from measure import OURS, NothingDone, Sample, compare


def engine(rates, order=None, name=""):
    """Does so many units in each second that it is asked for, with a CPU busy half of it."""
    left = iter(rates)

    def run():
        if order is not None:
            order.append(name)
        return Sample(next(left), 0, 10**9, 5 * 10**8)
    return run


class Compare(unittest.TestCase):
    def test_medians_and_ratios_of_rounds(self):
        result = compare({OURS: engine([200, 900, 210]), "peer": engine([100, 300, 70])}, 3)
        self.assertEqual(result[OURS], 210)
        self.assertEqual(result["peer"], 100)
        # 2, 3 and 3: not the ratio of the medians.
        self.assertEqual(result["ratio"], {"peer": 3.0})
        self.assertEqual(result["cpu_ratio"], {"peer": 0.33})
        self.assertEqual(result["spread"][OURS], 4.5)

    def test_everybody_is_first_once(self):
        order = []
        compare({name: engine([1, 1, 1], order, name) for name in (OURS, "a", "b")}, 3)
        self.assertEqual(order[::3], [OURS, "a", "b"])

    def test_a_guest_that_stood_still_is_asked_again(self):
        result = compare({OURS: engine([0, 0, 50]), "peer": engine([25])}, 1)
        self.assertEqual(result["ratio"], {"peer": 2.0})

    def test_nothing_done_is_an_error(self):
        with self.assertRaises(NothingDone):
            compare({OURS: engine([1]), "peer": engine([0, 0, 0])}, 1)


if __name__ == "__main__":
    unittest.main()
