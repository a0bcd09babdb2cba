# SPDX-License-Identifier: Apache-2.0
"""What the tools say is whole, free of the words of their parts, and the same in every place."""

import re
import unittest

from machine import ToolTest, as_user

QUEUE = "accel-queue-3:\t{} priority 1 completed 5 pending {} dma 0 ns compute 0 ns activity {}\n"


class CommandLine(ToolTest):
    """A mistake is told in words of the command line, with the command that prints the options."""

    def expect(self, arguments: str, words: str, help_of: str = "") -> None:
        done = self.ctl(*arguments.split(), here=True)
        hint = f"'accelctl {help_of + ' ' if help_of else ''}--help' lists"
        self.expect_exit(done, 2, f"accelctl: {words}\n", hint)

    def test_values_that_are_missing_or_no_numbers(self):
        self.expect("reset --queue", "--queue needs a value: --queue N", "reset")
        self.expect("top -i", "--interval needs a value: --interval SECONDS", "top")
        self.expect("reset --queue x", "--queue: 'x' is not a number", "reset")
        self.expect("reset --queue=-1", "--queue: -1 is not from 0 to 4294967295", "reset")
        self.expect("run m --top 1.5", "--top: 1.5 is not a whole number", "run")
        self.expect("run m --mean a,2", "--mean: 'a' is not a number", "run")
        self.expect("events --duration 0", "--duration: 0 is not a number above 0", "events")
        self.expect("info --json=5", "--json takes no value", "info")

    def test_choices_and_conflicts(self):
        self.expect("--color red", "--color: 'red' is none of auto, always, never")
        self.expect(
            "power-cap --set 1 --max", "--set and --max cannot be given together", "power-cap"
        )
        self.expect("run m --labels x", "--labels needs --top", "run")

    def test_folders(self):
        self.expect("--root /nosuch info", "--root: there is no folder /nosuch", "info")
        self.expect("--root /etc/passwd info", "--root: /etc/passwd is no folder", "info")

    def test_arguments_that_nothing_takes(self):
        self.expect("frob", "there is no command 'frob'")
        self.expect("info --nosuch", "there is no option --nosuch", "info")
        self.expect("info a b c", "unexpected argument 'b'", "info")
        self.expect("--top 5", "option --top belongs to a command: give it after the command")
        self.expect("--top 5 info", "there is no option --top", "info")
        done = self.ls("-z")
        self.expect_exit(
            done, 2, "lsaccel: there is no option -z\n", "'lsaccel --help' lists options"
        )

    def test_help_says_what_an_emulated_card_is(self):
        for command in ("info", "validate", "run"):
            text = " ".join(self.ctl(command, "--help").stdout.split())
            self.assertIn("emulates in its own process, without hardware or driver", text)


class Wedged(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.card = self.machine.card(state="wedged")
        for name in ("hwmon", "accel-card/accel0/memory_size", "accel-card/accel0/memory_used"):
            path = self.machine.root / f"{self.card}/{name}".lstrip("/")
            path.rename(path.with_name("hidden"))
        for name in ("dma", "compute"):
            (
                self.machine.root
                / f"{self.card}/accel-card/accel0/engines/{name}_count".lstrip("/")
            ).unlink()

    def test_doctor_has_one_problem_and_the_steps_in_their_order(self):
        document = self.document(self.ctl("doctor", "--json"))
        problems = [f for f in document["findings"] if f["severity"] == "problem"]
        self.assertEqual([problem["id"] for problem in problems], ["card-wedged"])
        fixes = problems[0]["fixes"]
        self.assertEqual(fixes[0], "accelctl reset accel0")
        self.assertIn("echo 0000:01:00.0 > /sys/bus/pci/drivers/accel/unbind; echo", fixes[1])
        self.assertIn("power the machine off", fixes[2])
        text = self.ctl("doctor").stdout
        for words in ("can be opened", "accelctl doctor"):
            self.assertNotIn(words, text)

    def test_a_reset_that_does_not_help_names_the_next_steps_of_the_doctor(self):
        self.machine.write(f"{self.card}/reset", "")
        done = self.ctl("reset")
        self.expect_exit(done, 5, "it is wedged")
        for step in self.document(self.ctl("doctor", "--json"))["findings"][-1]["fixes"][1:]:
            self.assertIn(step, done.stderr)

    def test_a_reset_does_not_warn_processes_that_have_nothing_to_lose(self):
        self.machine.write(f"{self.card}/reset", "")
        self.machine.process(4711, "python3", state="wedged")
        done = self.ctl("reset")
        self.assertNotIn("python3", done.stdout + done.stderr)
        self.assertEqual(done.returncode, 5)

    def test_values_that_it_does_not_tell_are_dashes(self):
        text = self.ctl("info").stdout
        for name in ("device memory", "engines", "power", "clock"):
            self.assertRegex(text, rf"(?m)^  {name} +-$")
        top = self.ctl("top", "--once", "-i", "0.1").stdout
        self.assertRegex(top, r"MEMORY  -  1 context, ")
        self.assertIn("wedged  -  -  -  link", top)


class Processes(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.card = self.machine.card()

    def reset(self, queues: str, *options: str) -> str:
        self.machine.write(f"{self.card}/reset", "")
        self.machine.write(f"{self.card}/accel-card/accel0/stop_queue", "")
        self.machine.process(4711, "python3", queues=queues)
        return self.ctl("reset", "--yes", *options).stdout

    def test_what_a_reset_ends_is_counted_in_words(self):
        self.assertIn("will lose its context: its calls", self.reset(""))

    def test_one_queue_and_one_job(self):
        queue = QUEUE.format("running", 1, "running")
        self.assertIn("will lose its context with 1 queue: its calls", self.reset(queue))
        self.assertIn("its 1 pending job will fail", self.ctl("reset", "--queue", "3").stdout)

    def test_a_queue_without_jobs(self):
        queue = QUEUE.format("running", 0, "idle")
        self.assertIn("no job is pending", self.reset(queue, "--queue", "3"))

    def test_a_queue_that_waits_for_a_semaphore_is_blocked_and_not_stalled(self):
        for activity, state in (("blocked", "blocked"), ("running", "stalled")):
            self.machine.process(4711, "python3", queues=QUEUE.format("running", 2, activity))
            top = ("top", "--once", "-i", "0.1")
            self.assertRegex(self.ctl(*top).stdout, rf"(?m)^ +3 .* {state}$")
            queue = self.document(self.ctl(*top, "--json"))["clients"][0]["queues"][0]
            self.assertEqual((queue["activity"], queue["stalled"]), (activity, state == "stalled"))


class Events(ToolTest):
    def lines(self, *events: str) -> list[str]:
        self.machine.card(
            events="\n".join(f"{i + 1} {i + 1}000000000 {text}" for i, text in enumerate(events))
        )
        return self.ctl("events").stdout.splitlines()

    def test_errors_and_causes_are_in_words(self):
        for line, words in zip(
            self.lines(
                "start-failed error=110",
                "wedged cause=start-failed",
                "coredump cause=hang",
                "coredump-kept cause=fault",
            ),
            (
                "did not start: Connection timed out (errno 110); 'accelctl doctor'",
                "the card is wedged: it did not start after a reset",
                "made a dump: a queue made no progress;",
                "(a command used an address that it may not use)",
            ),
            strict=True,
        ):
            self.assertIn(words, line)

    def test_a_process_that_the_reader_cannot_see_is_not_named(self):
        hung, setting, recovery = self.lines(
            "queue-hung queue=3 client=5 pid=0",
            "setting name=quota/queues value=7 pid=0",
            "recovery cause=engines pid=0",
        )
        self.assertIn("queue 3 made no progress", hung)
        self.assertIn("an administrator set quota/queues to 7", setting)
        self.assertTrue(recovery.endswith("its engines make no progress"), recovery)


class WithoutADriver(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.machine.card(node=None, driver="")

    def test_the_screen_says_so(self):
        self.assertIn("0000:01:00.0: has no driver; 'accelctl doctor'", self.ctl().stdout)

    def test_events_are_not_silent(self):
        done = self.ctl("events")
        self.expect_exit(done, 0)
        self.assertIn("No card with a driver, and so no events.", done.stdout)
        self.expect_exit(self.ctl("events", "01:00.0"), 3, "0000:01:00.0 has no driver")

    def test_values_that_nobody_knows_are_dashes(self):
        self.assertIsNone(re.search(r"- of -|-, -|\(cap", self.ctl("info").stdout))


class Dumps(ToolTest):
    def test_a_user_may_not_read_a_dump_that_the_kernel_keeps(self):
        folder = self.machine.card()
        self.machine.write(f"{folder}/devcoredump/data", "accel-coredump: 1").chmod(0o400)
        self.expect_exit(self.ctl("coredump", **as_user(self)), 4, "only root can read a dump")

    def test_a_folder_and_the_standard_input_are_named(self):
        self.expect_exit(self.ctl("coredump", str(self.folder)), 7, "it is a folder")
        done = self.ctl("coredump", "-")
        self.expect_exit(done, 7, "standard input is not a dump of a card")

    def test_times_and_clocks_have_units(self):
        dump = (
            "accel-coredump: 1\n[card]\ntime: 12345678900\n[registers]\nclock_hz: 0x3b9aca00\n"
            "[queues]\nqueue 3 time_limit: 30000000000\nqueue 4 time_limit: 0\n"
        )
        text = self.ctl("coredump", str(self.machine.write("/card.dump", dump))).stdout
        for words in (
            "= 12.346 s after the machine started",
            "= 1000 MHz",
            "= 30.0 s of device time",
            "= none",
        ):
            self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
