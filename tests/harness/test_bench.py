# SPDX-License-Identifier: Apache-2.0
"""The perf gate and the goals can fail: the tests plant rises, wrong results and missing cases."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from accelbench import perf_gate, profile, table
from accelbench.measure import Case, Sample

RECORDED = {
    "instructions": 100.0,
    "user": 90.0,
    "calls": 0.031,
    "doorbells": 0.031,
    "interrupts": 0.0,
    "functions": {"u:accel::Batch::add": 60.0, "k:accel_ioctl": 10.0},
}


def now(**changes):
    return {**RECORDED, **changes}


class PerfGate(unittest.TestCase):
    def test_the_recorded_counts_pass(self):
        self.assertEqual(perf_gate.compare(RECORDED, now(), True), ([], []))

    def test_a_rise_within_three_per_cent_passes_and_one_beyond_fails(self):
        self.assertEqual(perf_gate.compare(RECORDED, now(user=92.6), True)[0], [])
        self.assertTrue(perf_gate.compare(RECORDED, now(user=93.0), True)[0])
        self.assertTrue(perf_gate.compare(RECORDED, now(instructions=104.5), True)[0])

    def test_one_system_call_doorbell_or_interrupt_more_fails(self):
        for kind in ("calls", "doorbells", "interrupts"):
            with self.subTest(kind):
                self.assertTrue(
                    perf_gate.compare(RECORDED, now(**{kind: RECORDED[kind] + 0.01}), True)[0]
                )

    def test_a_failure_names_the_function_that_grew(self):
        rose, _ = perf_gate.compare(
            RECORDED, now(user=110.0, functions={"u:accel::Batch::add": 80.0}), True
        )
        self.assertTrue(any("accel::Batch::add (user): +20.0" in line for line in rose), rose)

    def test_a_fall_is_reported_and_passes(self):
        rose, fell = perf_gate.compare(RECORDED, now(user=50.0), True)
        self.assertEqual(rose, [])
        self.assertTrue(fell)

    def test_instructions_of_another_kernel_are_not_compared(self):
        self.assertEqual(perf_gate.compare(RECORDED, now(instructions=900.0), False)[0], [])
        self.assertTrue(perf_gate.compare(RECORDED, now(user=93.0), False)[0])


class Profile(unittest.TestCase):
    def test_instructions_are_counted_by_address_and_named(self):
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder, "counts")
            counts.write_text(
                "region 0\ni 401000 7\nregion 1\ni 401000 2\ni ffffffff81000010 5\n"
                "i ffffffff81000000 1\nw accel-doorbells 3\nr nvme 4\n"
            )
            kallsyms = Path(folder, "kallsyms")
            kallsyms.write_text("ffffffff81000000 T entry_SYSCALL_64\nffffffff81000100 T later\n")
            first, second = profile.read_regions(counts)
            symbols = profile.Symbols()
            symbols.add_kernel(kallsyms)
            self.assertEqual((first.total, first.kernel), (7, 0))
            self.assertEqual((second.total, second.kernel), (8, 6))
            self.assertEqual((second.writes, second.reads), ({"accel-doorbells": 3}, {"nvme": 4}))
            self.assertEqual(symbols.executions(second, "entry_SYSCALL_64"), 1)
            self.assertEqual(symbols.by_function(second)["k:entry_SYSCALL_64"], 6)


class Goals(unittest.TestCase):
    @staticmethod
    def result(instructions: float, errors: list[str]):
        sample = Sample(
            instructions, instructions, 0, 0, 0, 0, 0, 0, 0, 0, {"u:main": instructions}
        )
        return table.evaluate(
            {"accel.submit.32": Case("accel.submit.32", [sample], errors=errors)}
        )[0]

    def test_a_goal_is_met_or_missed(self):
        self.assertEqual(
            [self.result(n, []).verdict for n in (80, 200, 201)], ["aim", "must", "MISSED"]
        )

    def test_a_missed_goal_comes_with_its_profile(self):
        self.assertIn("main", table.profiles([self.result(201, [])]))

    def test_wrong_results_are_shown_as_wrong(self):
        self.assertFalse(self.result(80, ["a copy did not arrive"]).verified)

    def test_what_was_not_measured_is_not_left_out(self):
        rows = table.evaluate({})
        self.assertTrue(all(row.verdict == "not measured" for row in rows))
        self.assertIn("not measured", table.text(rows))


if __name__ == "__main__":
    unittest.main()
