# SPDX-License-Identifier: Apache-2.0
"""Manual pages, completions and schemas are complete: the command line generates them."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from machine import BUILD, SCHEMAS, jsonschema

TOOLS = ("lsaccel", "accelctl")


def generate(tool: str, what: str) -> str:
    return subprocess.run(
        [BUILD / "tools" / tool, "--generate", what], capture_output=True, text=True, check=True
    ).stdout


def options(tool: str, *command: str) -> set[str]:
    text = subprocess.run(
        [BUILD / "tools" / tool, *command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    return set(re.findall(r"(?<=[\s,])(--?[a-zA-Z][-a-z]*)", text))


def commands() -> list[str]:
    text = subprocess.run(
        [BUILD / "tools/accelctl", "--help"], capture_output=True, text=True, check=True
    ).stdout
    return re.findall(r"^  ([a-z-]+) ", text.partition("Subcommands:")[2], re.MULTILINE)


class Manual(unittest.TestCase):
    def test_pages_are_well_formed_and_have_every_option_and_section(self):
        for tool in TOOLS:
            with tempfile.NamedTemporaryFile("w", suffix=".1") as file:
                file.write(generate(tool, "man"))
                file.flush()
                done = subprocess.run(
                    ["man", "--warnings=w", "-l", file.name],
                    capture_output=True,
                    text=True,
                    check=True,
                    env={"PATH": "/usr/bin:/bin", "MANWIDTH": "200", "LC_ALL": "C.UTF-8"},
                )
            self.assertEqual(done.stderr, "", tool)
            page = re.sub(r".\x08", "", done.stdout).replace("‐", "-").replace("−", "-")
            every = options(tool).union(
                *(options(tool, name) for name in (commands() if tool == "accelctl" else ()))
            )
            for option in every:
                self.assertRegex(page, rf"(?<![-\w]){re.escape(option)}\b", tool)
            for heading in (
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "EXIT STATUS",
                "JSON",
                "FILES",
                "EXAMPLES",
            ):
                self.assertRegex(page, rf"(?m)^{heading}$")
        for name in commands():
            self.assertRegex(page, rf"(?m)^ +{name} \[OPTION\]")
        self.assertEqual(len(commands()), 15)

    def test_the_built_files_equal_the_generated_ones(self):
        for tool in TOOLS:
            for what, name in (("man", f"{tool}.1"), ("bash", f"{tool}.bash"), ("zsh", f"_{tool}")):
                self.assertEqual((BUILD / "tools/share" / name).read_text(), generate(tool, what))


class Completion(unittest.TestCase):
    def complete(self, tool: str, *words: str) -> list[str]:
        """The completions that bash offers for the last word."""
        script = BUILD / "tools/share" / f"{tool}.bash"
        line = " ".join(f"'{word}'" for word in (tool, *words))
        done = subprocess.run(
            [
                "bash",
                "-c",
                f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
                f"_{tool}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            ],
            capture_output=True,
            text=True,
            check=True,
            cwd=BUILD,
        )
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_commands_options_and_values(self):
        self.assertEqual(self.complete("accelctl", "val"), ["validate"])
        self.assertEqual(
            set(self.complete("accelctl", "")) & {"info", "top", "doctor", "--json"},
            {"info", "top", "doctor", "--json"},
        )
        self.assertEqual(self.complete("accelctl", "reset", "--q"), ["--queue"])
        self.assertEqual(
            self.complete("accelctl", "top", "--sort", ""), ["compute", "dma", "memory", "pid"]
        )
        self.assertEqual(self.complete("accelctl", "--color", "a"), ["auto", "always"])
        self.assertEqual(self.complete("lsaccel", "--js"), ["--json"])
        self.assertIn("tools", self.complete("accelctl", "--root", "too"))
        self.assertIn("build.ninja", self.complete("lsaccel", "-F", "build.n"))

    def test_bash_offers_every_option_of_every_command(self):
        for name in commands():
            offered = set(self.complete("accelctl", name, "-"))
            self.assertLessEqual(
                options("accelctl", name) - {"--version", "--color", "--root"}, offered, name
            )

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_parses_its_completions(self):
        for tool in TOOLS:
            subprocess.run(["zsh", "-n", BUILD / f"tools/share/_{tool}"], check=True)


class Installed(unittest.TestCase):
    def test_programs_pages_completions_and_schemas_are_in_standard_folders(self):
        with tempfile.TemporaryDirectory(prefix="accel-install.") as folder:
            subprocess.run(
                ["cmake", "--install", BUILD, "--prefix", folder, "--component", "tools"],
                check=True,
                capture_output=True,
            )
            places = {
                str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()
            }
            for tool in TOOLS:
                self.assertLessEqual(
                    {
                        f"bin/{tool}",
                        f"share/man/man1/{tool}.1",
                        f"share/accel/schema/{tool}.json",
                        f"share/bash-completion/completions/{tool}",
                        f"share/zsh/site-functions/_{tool}",
                    },
                    places,
                )


class Schema(unittest.TestCase):
    def test_schemas_are_valid_and_reject_other_documents(self):
        for name, schema in SCHEMAS.items():
            jsonschema.Draft7Validator.check_schema(schema)
            for wrong in ({}, {"schema": f"{name}.nothing/1"}, {"schema": f"{name}/1"}, []):
                with self.assertRaises(jsonschema.ValidationError):
                    jsonschema.validate(wrong, schema)

    def test_every_document_in_the_source_has_a_schema(self):
        source = "".join(
            path.read_text()
            for path in (Path(__file__).resolve().parents[2] / "tools/accelctl").rglob("*.cpp")
        )
        printed = set(re.findall(r'"(accelctl\.[a-z-]+/\d+)"', source))
        known = {
            document["properties"]["schema"]["const"] for document in SCHEMAS["accelctl"]["oneOf"]
        }
        self.assertEqual(printed, known - {"accelctl.error/1"})
        self.assertIn('"lsaccel/1"', json.dumps(SCHEMAS["lsaccel"]))


if __name__ == "__main__":
    unittest.main()
