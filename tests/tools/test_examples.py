# SPDX-License-Identifier: Apache-2.0
"""The examples on the emulated device, and the text of an example without a card."""

import glob
import os
import re
import subprocess
import unittest

from machine import BUILD

EXAMPLES = BUILD / "libaccel/examples"


class Examples(unittest.TestCase):
    def run_example(
        self, name: str, *arguments: str, device: str = "emulated"
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [EXAMPLES / name / name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "ACCEL_DEVICE": device},
        )

    def test_hello(self):
        done = self.run_example("hello")
        self.assertEqual((done.returncode, done.stdout), (0, "5 6 0\n"), done.stderr)

    @unittest.skipIf(glob.glob("/dev/accel*"), "this machine has a card")
    def test_without_a_card_the_error_leads_to_the_doctor_and_to_the_emulated_device(self):
        done = self.run_example("hello", device="")
        self.assertEqual(done.returncode, 1)
        for words in ("/dev/accel0", "'accelctl doctor'", "ACCEL_DEVICE=emulated"):
            self.assertIn(words, done.stderr)

    def test_demo_works(self):
        done = self.run_example("demo")
        self.assertEqual(done.stdout, "two jobs are done, and x[0] is 2\n", done.stderr)

    def test_demo_has_a_fault(self):
        done = self.run_example("demo", "fault")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr,
            r"^job 3 failed at command 3 \(COPY\), at address 0x700000000000: no memory is mapped",
        )

    def test_demo_hangs(self):
        process = subprocess.Popen(
            [EXAMPLES / "demo/demo", "hang"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ACCEL_DEVICE": "emulated"},
        )
        assert process.stdout
        try:
            self.assertEqual(
                process.stdout.readline(), "job 1 waits for a signal that nobody sends\n"
            )
            self.assertIsNone(process.poll())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_demo_tells_its_options(self):
        done = self.run_example("demo", "frob")
        self.assertEqual(done.returncode, 2)
        self.assertTrue(re.search(r"work \| hang \| fault \| slow", done.stderr), done.stderr)


if __name__ == "__main__":
    unittest.main()
