# SPDX-License-Identifier: Apache-2.0
"""The choice of a card: --device, CARD, ACCEL_DEVICE; and emulated cards in every command."""

import subprocess

import onnx_files as onnx
from machine import BUILD, ToolTest

EMULATED = {"ACCEL_DEVICE": "emulated:memory=64M"}


class Emulated(ToolTest):
    """No card, no driver: commands that use a card run on an emulated one."""

    def here(self, *arguments: str, **options):
        return self.ctl(*arguments, here=True, **options)

    def model(self) -> str:
        weights = onnx.tensor("f32", (8, 4), [i % 5 - 2.0 for i in range(32)])
        weights = weights.replace(b"\x42\x01t", b"\x42\x01w")
        path = self.folder / "model.onnx"
        path.write_bytes(
            onnx.model(
                [("MatMul", ["x", "w"], "y")],
                [("x", "f32", (1, 8))],
                [("y", "f32", (1, 4))],
                [weights],
            )
        )
        return str(path)

    def test_info_says_that_the_card_is_emulated(self):
        done = self.here("info", "--device", "emulated")
        self.expect_exit(done, 0)
        self.assertIn("state                 emulated", done.stdout)
        cards = self.document(self.here("info", "emulated:cards=2,memory=32M", "--json"))["cards"]
        self.assertEqual([card["state"] for card in cards], ["emulated"] * 2)
        self.assertEqual(cards[0]["memory"]["size"], 32 << 20)
        self.assertEqual(
            [card["address"] for card in cards],
            ["emulated:cards=2,memory=32M,card=0", "emulated:cards=2,memory=32M,card=1"],
        )

    def test_a_closed_standard_output_is_an_error_and_no_card_gets_its_number(self):
        for redirection in (">&-", "-o - >&-"):
            done = subprocess.run(
                [
                    "bash",
                    "-c",
                    f'exec "$1" run "$2" --device emulated {redirection}',
                    "bash",
                    BUILD / "tools/accelctl",
                    self.model(),
                ],
                check=False,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("Bad file descriptor", done.stderr)

    def test_inputs_that_do_not_end_or_fit_are_refused(self):
        done = self.here("run", self.model(), "--device", "emulated", "--input", "/dev/zero")
        self.expect_exit(done, 7, "more than 1 GiB", "no regular file")
        done = self.here("run", self.model(), "--device", "emulated", "--constant-input", "x=0.5")
        self.expect_exit(done, 2, "a number is for an input of one element, and x has 8")

    def test_numbers_count_the_cards_of_the_environment(self):
        two = {"ACCEL_DEVICE": "emulated:cards=2"}
        cards = self.document(self.here("info", "1", "--json", env=two))["cards"]
        self.assertEqual([card["address"] for card in cards], ["emulated:cards=2,card=1"])
        self.expect_exit(self.here("validate", "0", "--only", "copy", env=two), 0)
        self.expect_exit(
            self.here("info", "2", env=two), 3, "no card 2 among those that ACCEL_DEVICE="
        )
        wrong = self.here("info", env={"ACCEL_DEVICE": "bogus"})
        self.expect_exit(wrong, 2, "ACCEL_DEVICE=bogus in the environment")

    def test_commands_of_the_driver_refuse_a_card_of_the_environment(self):
        for command in (["top", "--once"], ["events"], ["reset"], ["power-cap"]):
            self.expect_exit(self.here(*command, env=EMULATED), 8, "acts on the driver")

    def test_the_summary_topology_and_doctor_know_emulated_cards(self):
        done = self.here("--device", "emulated:cards=2")
        self.expect_exit(done, 0)
        self.assertEqual(done.stdout.count("emulated:cards=2,card="), 2)
        links = self.document(self.here("--device", "emulated:cards=2", "topology", "--json"))
        self.assertEqual(
            [(link["relation"], link["reach"]) for link in links["peers"]],
            [("SELF", "yes"), ("PROC", "yes"), ("PROC", "yes"), ("SELF", "yes")],
        )
        done = self.here("doctor", env=EMULATED)
        self.expect_exit(done, 0)
        self.assertIn("emulated:memory=64M: works", done.stdout)
        self.expect_exit(self.here("doctor", "emulated:color=red"), 2, "no option")

    def test_validate_checks_both_cards_and_the_way_between_them(self):
        arguments = ("validate", "--device", "emulated:cards=2", "--only", "gemm,p2p,link")
        document = self.document(self.here(*arguments, "--json"))
        self.assertEqual((document["passed"], document["failed"], document["skipped"]), (4, 0, 2))

    def test_bench_measures(self):
        done = self.here("bench", "--device", "emulated", "--seconds", "0.001", "--max-size", "1")
        self.expect_exit(done, 0)
        self.assertTrue(done.stdout.startswith("emulated, the speed of this machine"))

    def test_a_model_is_quantized_compiled_and_run(self):
        data = self.folder / "x.npy"
        data.write_bytes(onnx.npy("f32", (3, 8), [i / 24 for i in range(24)]))
        small, compiled = self.folder / "small.onnx", self.folder / "small.accel"
        arguments = ("--device", "emulated", "-o")
        done = self.here("quantize", self.model(), "--calibrate", str(data), *arguments, str(small))
        self.expect_exit(done, 0)
        self.expect_exit(self.here("compile", str(small), *arguments, str(compiled)), 0)
        for path in (small, compiled):
            done = self.here("run", str(path), "--device", "emulated")
            self.expect_exit(done, 0)
            self.assertIn("card    emulated", done.stdout)
        piped = subprocess.run(
            [BUILD / "tools/accelctl", "compile", str(small), *arguments, "-"],
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertEqual(piped.stdout, compiled.read_bytes())

    def test_the_environment_chooses_the_card_unless_the_command_line_does(self):
        done = self.here("run", self.model(), env=EMULATED)
        self.expect_exit(done, 0)
        self.assertIn("card    emulated:memory=64M", done.stdout)
        done = self.here("info", env=EMULATED)
        self.assertIn("/64 MiB", done.stdout)
        done = self.here("info", "emulated:memory=32M", env=EMULATED)
        self.assertIn("/32 MiB", done.stdout)
        self.machine.card()  # --root is about another machine
        self.assertIn("0000:01:00.0", self.ctl("info", env=EMULATED).stdout)

    def test_commands_for_a_driver_refuse_an_emulated_card(self):
        for command in ("reset", "events", "top", "power-cap"):
            done = self.here(command, "--device", "emulated")
            self.expect_exit(done, 8, f"'accelctl {command}'", "emulated has none")
        # An administrator who forgets the variable must not reset a real card.
        self.expect_exit(self.here("reset", "--yes", env=EMULATED), 8)

    def test_a_wrong_option_is_an_error_of_the_command_line(self):
        for command in (["info"], ["validate"], ["bench"], ["run", self.model()]):
            done = self.here(*command, "--device", "emulated:color=red")
            self.expect_exit(done, 2, 'no option "color"', "memory=")


class Choice(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.machine.card()
        self.machine.card("0000:02:00.0", 1, serial=2, port="0000:00:03.0")

    def test_with_two_cards_the_error_says_how_to_choose(self):
        for command in (["power-cap"], ["bench"], ["run", "m.onnx"], ["reset"]):
            done = self.ctl(*command)
            self.expect_exit(
                done, 2, "there are 2 cards", "--device accel0", "accel1 (0000:02:00.0)"
            )

    def test_an_argument_and_the_option_mean_the_same(self):
        for arguments in (["1"], ["--device", "1"], ["--device=accel1"]):
            cards = self.document(self.ctl("info", *arguments, "--json"))["cards"]
            self.assertEqual([card["node"] for card in cards], ["accel1"])
        self.expect_exit(self.ctl("info", "1", "--device", "1"), 2)

    def test_the_option_may_precede_the_command(self):
        for before in (["--device", "1"], ["--device=accel1"], ["--json", "--device", "1"]):
            cards = self.document(self.ctl(*before, "info", "--json"))["cards"]
            self.assertEqual([card["node"] for card in cards], ["accel1"])
        done = self.ctl("--device", "1")
        self.expect_exit(done, 0)
        self.assertIn("accel1", done.stdout)
        self.assertNotIn("accel0", done.stdout)

    def test_a_command_for_all_cards_refuses_the_option(self):
        for arguments in (["--device", "1", "metrics"], ["metrics", "--device", "1"]):
            self.expect_exit(self.ctl(*arguments), 2, "'metrics' takes no --device", "all cards")
