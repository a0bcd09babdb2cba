# SPDX-License-Identifier: Apache-2.0
"""accelctl on a machine of files: it shows their values, and each exit code occurs once."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from machine import BUILD, ToolTest, as_user, children

QUEUES = (
    "accel-queue-3:\trunning priority 1 completed 90 pending 4 dma 10 ns compute 20 ns\n"
    "accel-queue-7:\tstopped priority 0 completed 0 pending 0 dma 0 ns compute 0 ns\n"
)


class Show(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.folder_of_card = self.machine.card()
        self.machine.process(4711, "python3", queues=QUEUES)

    def test_without_a_command_it_shows_all_cards_and_processes(self):
        done = self.ctl()
        self.expect_exit(done, 0)
        for words in (
            "accel0",
            "0000:01:00.0",
            "running",
            "62 C",
            "30.0/75 W",
            "1000 MHz",
            "64 MiB/256 MiB",
            "16 GT/s x16",
            "python3",
            "4711",
        ):
            self.assertIn(words, done.stdout)

    def test_info_and_the_summary_have_the_same_cards_in_json(self):
        document = self.document(self.ctl("info", "0", "--json"))
        self.assertEqual(document["cards"], self.document(self.ctl("--json"))["cards"])
        card = document["cards"][0]
        self.assertEqual(card["sensors"]["celsius"], 61.5)
        self.assertEqual(card["memory"], {"size": 256 << 20, "used": 64 << 20})
        self.assertEqual(card["counters"], {"commands": 41, "doorbells": 7, "faults": 0})
        self.assertEqual((card["generation"], card["vectors"], card["iommu_group"]), (2, 3, 7))
        queue = document["clients"][0]["queues"][0]
        self.assertEqual(
            (queue["id"], queue["priority"], queue["pending"], queue["state"]), (3, 1, 4, "running")
        )

    def test_every_name_of_a_card_selects_it(self):
        for name in (
            "0",
            "accel0",
            "/dev/accel0",
            "0000:01:00.0",
            "01:00.0",
            "0x1",
            "0000000000000001",
        ):
            self.assertEqual(
                self.document(self.ctl("info", name, "--json"))["cards"][0]["node"], "accel0", name
            )

    def test_all_tools_list_cards_in_the_order_of_their_addresses(self):
        self.machine.card("0000:00:1c.0", 5, serial=9, port="0000:00:01.0")
        order = ["0000:00:1c.0", "0000:01:00.0"]
        self.assertEqual(
            [card["address"] for card in self.document(self.ctl("info", "--json"))["cards"]], order
        )
        self.assertEqual(
            [card["address"] for card in self.document(self.ctl("topology", "--json"))["cards"]],
            order,
        )
        self.assertEqual(
            [card["address"] for card in self.document(self.ls("--json"))["devices"]], order
        )
        self.assertEqual(
            re.findall(r'accel_up{address="([^"]*)"', self.ctl("metrics").stdout), order
        )

    def test_top_once_shows_engines_queues_and_stalls(self):
        done = self.ctl("top", "--once", "--interval", "0.1")
        self.expect_exit(done, 0)
        self.assertRegex(done.stdout, r"MEMORY  \[#####\.+\]  25 %")
        self.assertRegex(done.stdout, r"\n +3 +accel0 +4711 +1 +4 +90 +stalled")
        self.assertRegex(done.stdout, r"\n +7 +accel0 +4711 +0 +0 +0 +stopped")
        document = self.document(self.ctl("top", "--once", "--json", "--interval", "0.1"))
        self.assertTrue(document["clients"][0]["queues"][0]["stalled"])

    def test_top_prints_a_document_per_line_and_frames_without_a_terminal(self):
        done = self.ctl("top", "--json", "--count", "3", "--interval", "0.1")
        lines = done.stdout.splitlines()
        self.assertEqual([json.loads(line)["schema"] for line in lines], ["accelctl.top/1"] * 3)
        self.assertEqual(self.ctl("top", "-n", "2", "-i", "0.1").stdout.count("MEMORY"), 2)

    def test_top_reports_a_removed_card_and_continues(self):
        process = subprocess.Popen(
            [BUILD / "tools/accelctl", "--root", self.machine.root, "top", "-i", "0.1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        try:
            while "MEMORY" not in process.stdout.readline():
                pass
            os.unlink(self.machine.root / "sys/bus/pci/devices/0000:01:00.0")
            while "0000:01:00.0 is gone" not in process.stdout.readline():
                pass
            self.assertIsNone(process.poll())
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            self.assertEqual(process.wait(30), 0)

    def test_events_are_explained_and_in_order(self):
        self.machine.write(
            f"{self.folder_of_card}/accel-card/accel0/events",
            "3 1000000000 started generation=0\n"
            "4 2000000000 queue-error queue=3 client=5 pid=4711 status=8 opcode=0x10\n"
            "5 3000000000 hot millidegrees=93000",
        )
        lines = self.ctl("events").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("queue 3 of process 4711 stopped at COPY: no memory is mapped", lines[1])
        self.assertIn("hot (93 C)", lines[2])
        events = self.document(self.ctl("events", "--json"))["events"]
        self.assertEqual([event["sequence"] for event in events], [3, 4, 5])
        self.assertEqual(events[1]["fields"]["status"], 8)
        follow = self.ctl("events", "--follow", "--count", "3", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line)["event"] for line in follow][0], "started")

    def test_events_say_why_a_card_ended_and_which_process_caused_it(self):
        self.machine.write(
            f"{self.folder_of_card}/accel-card/accel0/events",
            "1 1000000000 queue-hung queue=3 client=5 pid=4711\n"
            "2 2000000000 recovery cause=engines pid=4711\n"
            "3 3000000000 stopped generation=0 reason=recovery pid=4711\n"
            "4 4000000000 stopped generation=1 reason=reset\n"
            "5 5000000000 wedged cause=too-many-recoveries\n"
            "6 6000000000 events-lost count=9",
        )
        lines = self.ctl("events").stdout.splitlines()
        for line, words in zip(
            lines,
            (
                "queue 3 of process 4711 made no progress",
                "its engines make no progress; process 4711 caused it",
                "because it does not work; process 4711 caused it",
                "an administrator reset the card: the contexts of all open files are lost",
                "it failed again and again; 'accelctl doctor'",
                "dropped 9 events",
            ),
            strict=True,
        ):
            self.assertIn(words, line)

    def test_info_has_the_driver_and_the_limits(self):
        node = f"{self.folder_of_card}/accel-card/accel0"
        self.machine.write("/sys/module/accel/version", "0.1.0")
        self.machine.write(f"{node}/time_limit_ms", "30000")
        self.machine.write(f"{node}/quota/contexts", "32")
        self.machine.write(f"{node}/quota/memory", "134217728")
        card = self.document(self.ctl("info", "0", "--json"))["cards"][0]
        self.assertEqual((card["driver_version"], card["time_limit_ms"]), ("0.1.0", 30000))
        self.assertEqual(card["quota"], {"contexts": 32, "memory": 134217728})
        text = self.ctl("info").stdout
        for words in ("accel 0.1.0", "30000 ms", "contexts: 32", "device memory: 128 MiB"):
            self.assertIn(words, text)
        self.assertEqual(text.count("quota of a user"), 1)
        self.machine.write(f"{node}/time_limit_ms", "0")
        self.assertRegex(self.ctl("info").stdout, r"time limit +none")

    def test_topology_shows_the_path_to_each_card(self):
        self.machine.card("0000:02:00.0", 1, serial=2, port="0000:00:03.0")
        done = self.ctl("topology")
        self.assertIn("pci0000:00 > 0000:00:02.0 > 0000:01:00.0", done.stdout)
        peers = self.document(self.ctl("topology", "--json"))["peers"]
        self.assertEqual(
            [(peer["relation"], peer["reach"]) for peer in peers],
            [("SELF", "yes"), ("PHB", "unknown"), ("PHB", "unknown"), ("SELF", "yes")],
        )

    def test_metrics_have_the_format_of_prometheus(self):
        text = self.ctl("metrics").stdout
        types = dict(re.findall(r"^# TYPE (\S+) (gauge|counter)$", text, re.MULTILINE))
        label = r'[a-z_]+="[^"\n]*"'
        for line in text.splitlines():
            if not line.startswith("#"):
                match = re.fullmatch(rf"([a-z_]+)\{{{label}(?:,{label})*\}} [-+0-9.e]+", line)
                self.assertTrue(match, line)
                self.assertIn(match[1], types)
                self.assertEqual(match[1].endswith("_total"), types[match[1]] == "counter", line)
        for line in (
            'accel_temperature_celsius{address="0000:01:00.0",serial="0000000000000001"} 61.5',
            'accel_link_errors_total{address="0000:01:00.0",serial="0000000000000001",'
            'severity="correctable",error="RxErr"} 3',
            'accel_engine_busy_seconds_total{address="0000:01:00.0",serial="0000000000000001",'
            'engine="compute"} 2e-06',
        ):
            self.assertIn(line, text)

    def test_a_power_cap_is_set_within_its_bounds_and_shown(self):
        self.assertEqual(
            self.document(self.ctl("power-cap", "--set", "42.5", "--json"))["cap_watts"], 42.5
        )
        cap = self.machine.root / f"{self.folder_of_card}/hwmon/hwmon3/power1_cap".lstrip("/")
        self.assertEqual(cap.read_text().split()[0][:8], "42500000")
        self.expect_exit(self.ctl("power-cap", "--set", "500"), 2, "out of bounds", "20 to 75 W")
        self.expect_exit(self.ctl("power-cap", "--set", "1", "--max"), 2)

    def test_lists_are_empty_without_a_card_and_commands_succeed(self):
        os.unlink(self.machine.root / "sys/bus/pci/devices/0000:01:00.0")
        for command in (
            (),
            ("info",),
            ("topology",),
            ("top", "--once", "-i", "0.1"),
            ("metrics",),
            ("events",),
        ):
            self.expect_exit(self.ctl(*command), 0)
        for command in (("info",), ("topology",), ("top", "--once", "-i", "0.1")):
            self.assertEqual(self.document(self.ctl(*command, "--json"))["cards"], [])
        self.assertEqual(self.document(self.ctl("events", "--json"))["events"], [])


class Reset(ToolTest):
    """The kernel is a file; or a pipe without a reader, as a kernel that never returns."""

    def setUp(self) -> None:
        super().setUp()
        self.card = self.machine.card()

    def path(self, name: str):
        return self.machine.root / f"{self.card}/{name}".lstrip("/")

    def test_a_reset_that_does_not_end_reaches_its_time_limit(self):
        os.mkfifo(self.path("reset"))
        done = self.ctl("reset", "--timeout", "0.3")
        self.expect_exit(done, 6, "is not over after 0.3 s")
        done = self.ctl("reset", "--timeout", "0.3", "--json")
        self.assertEqual(self.document(done)["error"]["exit"], 6)

    def test_affected_processes_are_named_and_nothing_is_reset_without_yes(self):
        self.machine.write(f"{self.card}/reset", "")
        self.machine.process(4711, "python3", queues=QUEUES)
        done = self.ctl("reset", "0")
        self.expect_exit(done, 2, "accel0 is in use; nothing was reset", "--yes")
        self.assertIn("python3 (pid 4711", done.stdout)
        self.assertEqual(self.path("reset").read_text(), "\n")

    def test_with_yes_it_resets_and_reports_a_driver_that_missed_the_reset(self):
        self.machine.write(f"{self.card}/reset", "")
        self.machine.process(4711, "python3")
        self.expect_exit(self.ctl("reset", "--yes"), 5, "did not notice the reset")
        self.assertEqual(self.path("reset").read_text()[:1], "1")

    def test_the_state_of_a_card_that_does_not_come_back_is_reported(self):
        self.machine.write(f"{self.card}/reset", "")
        self.machine.write(f"{self.card}/accel-card/accel0/state", "stopped")
        self.expect_exit(self.ctl("reset"), 5, "did not come back", "stopped", "/unbind", "power")

    def test_a_queue_reset_is_passed_to_the_driver_and_names_the_owner(self):
        self.machine.write(f"{self.card}/accel-card/accel0/stop_queue", "")
        self.machine.process(4711, "python3", queues=QUEUES)
        document = self.document(self.ctl("reset", "--queue", "3", "--yes", "--json"))
        self.assertEqual((document["scope"], document["queue"]), ("queue", 3))
        self.assertEqual([client["pid"] for client in document["affected"]], [4711])
        self.assertEqual(self.path("accel-card/accel0/stop_queue").read_text()[:1], "3")


class ExitCodes(ToolTest):
    """Each exit code of the manual page, and its error message."""

    def test_0_success(self):
        self.expect_exit(self.ctl(), 0)

    def test_1_a_check_failed(self):
        self.expect_exit(self.ctl("doctor"), 1)

    def test_2_the_command_line_is_invalid(self):
        self.machine.card()
        self.expect_exit(self.ctl("frobnicate"), 2, "--help")
        self.expect_exit(
            self.ctl("info", "xyzzy"), 2, "xyzzy", "give a number (0), a node (accel0)"
        )
        self.expect_exit(self.ctl("top", "--interval", "0"), 2, "--interval")
        self.expect_exit(self.ctl("top", "--sort", "beauty"), 2, "beauty")
        self.expect_exit(self.ctl("validate", "--only", "nosuch"), 2, "nosuch", "--list")
        self.expect_exit(self.ctl("--root", "/nonexistent", "info"), 2, "/nonexistent")
        self.machine.card("0000:02:00.0", 1, port="0000:00:03.0")
        self.expect_exit(
            self.ctl("power-cap"), 2, "2 cards", "--device accel0", "accel1 (0000:02:00.0)"
        )

    def test_2_a_command_without_json_says_so(self):
        self.machine.card()
        done = self.ctl("metrics", "--json")
        self.expect_exit(done, 2, "'metrics' does not print JSON")
        self.assertEqual(self.document(done)["error"]["exit"], 2)

    def test_3_no_such_card(self):
        self.machine.card()
        self.expect_exit(self.ctl("info", "7"), 3, "no card 7", "accel0 (0000:01:00.0)")
        self.expect_exit(self.ctl("info", "0x99"), 3)
        os.unlink(self.machine.root / "sys/bus/pci/devices/0000:01:00.0")
        self.expect_exit(self.ctl("validate"), 3, "doctor")
        self.expect_exit(self.ctl("bench"), 3)
        self.expect_exit(self.ctl("events", "--follow"), 3)

    def test_4_permission_denied(self):
        folder = self.machine.card()
        self.machine.write(f"{folder}/reset", "").chmod(0o200)
        options = as_user(self)
        (self.machine.root / f"{folder}/hwmon/hwmon3/power1_cap".lstrip("/")).chmod(0o444)
        self.expect_exit(self.ctl("reset", **options), 4, "root's", "sudo")
        self.expect_exit(self.ctl("power-cap", "--set", "30", **options), 4, "root's")

    def test_5_the_card_is_gone_or_failed(self):
        folder = self.machine.card()
        self.machine.write(f"{folder}/reset", "")
        self.machine.write(f"{folder}/accel-card/accel0/state", "failed")
        self.expect_exit(self.ctl("reset"), 5)

    def test_6_the_time_limit_passed(self):
        folder = self.machine.card()
        os.mkfifo(self.machine.root / f"{folder}/reset".lstrip("/"))
        self.expect_exit(self.ctl("reset", "--timeout", "0.2"), 6)

    def test_7_a_file_cannot_be_written(self):
        self.machine.card()
        self.expect_exit(self.ctl("metrics", "-o", "/nonexistent/x"), 7, "/nonexistent/x")
        for command in (("info",), ("info", "--json"), ("metrics",)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(
                    [BUILD / "tools/accelctl", "--root", self.machine.root, *command],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    check=False,
                )
            self.expect_exit(done, 7, "standard output: No space left on device")

    def test_8_card_or_kernel_lacks_a_function(self):
        folder = self.machine.card()
        self.expect_exit(self.ctl("reset"), 8, "no way to reset")
        os.unlink(self.machine.root / f"{folder}/accel-card/accel0/events".lstrip("/"))
        self.expect_exit(self.ctl("events"), 8, "keeps no events")

    def test_9_an_internal_error(self):
        self.machine.card()
        process = subprocess.Popen(
            [BUILD / "tools/accelctl", "--root", self.machine.root, "top", "-i", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout and process.stderr
        process.stdout.readline()
        os.kill(children(process.pid)[0], signal.SIGKILL)
        process.stdout.read()
        self.assertIn("has ended", process.stderr.read())
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(process.wait(30), 9)

    def test_with_json_an_error_is_a_document(self):
        for command, status in (
            (("info", "7"), 3),
            (("validate", "--only", "x"), 2),
            (("bench",), 3),
            (("reset", "7"), 3),
            (("power-cap",), 3),
        ):
            done = self.ctl(*command, "--json")
            self.assertEqual(
                (self.document(done)["error"]["exit"], done.returncode), (status, status), command
            )

    def test_a_closed_pipe_ends_it(self):
        self.machine.card()
        process = subprocess.Popen(
            [BUILD / "tools/accelctl", "--root", self.machine.root, "top", "-i", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout
        process.stdout.read(10)
        process.stdout.close()
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIsNotNone(process.poll())

    def test_version_and_help(self):
        for tool in ("lsaccel", "accelctl"):
            self.assertRegex(self.run_tool(tool, "--version").stdout, rf"^{tool} \d+\.\d+\.\d+\n$")
            self.assertIn("Usage:", self.run_tool(tool, "--help").stdout)
        self.assertIn("--queue", self.ctl("reset", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
