# SPDX-License-Identifier: Apache-2.0
"""The check of the pages finds links and names that lead nowhere."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/check"))
import links  # noqa: E402  (needs the path)


class Links(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="accel-links.")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def page(self, text: str, name: str = "page.md") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def test_a_right_page_has_no_finding(self) -> None:
        self.page("# Other\n\n## The `second` part\n", "other.md")
        page = self.page(
            "[a](other.md#the-second-part), [b](#here), [two\nlines](other.md)\n\n"
            "# Here\n\nSee `driver/Makefile` and `driver/*.nothing`; `make help`.\n"
        )
        self.assertEqual(list(links.broken_links(page)), [])
        self.assertEqual(list(links.missing_paths(page, {"Makefile"})), [])
        self.assertEqual(list(links.missing_targets(page)), [])

    def test_a_link_to_no_file_is_found(self) -> None:
        self.assertEqual(len(list(links.broken_links(self.page("[a](nothing.md)")))), 1)

    def test_a_link_to_no_heading_is_found(self) -> None:
        self.page("# Other\n```\n# Code\n```\n", "other.md")
        page = self.page("[a](other.md#nothing) [b](other.md#code)")
        self.assertEqual(len(list(links.broken_links(page))), 2)

    def test_a_path_that_does_not_exist_is_found(self) -> None:
        page = self.page("See `driver/nothing.c` and `nothing.hpp`.\n\n    driver/nothing.h\n")
        self.assertEqual(len(list(links.missing_paths(page, set()))), 3)

    def test_a_target_that_does_not_exist_is_found(self) -> None:
        page = self.page("Run `make nothing` and `make test FILTER=x`.")
        self.assertEqual(len(list(links.missing_targets(page))), 1)


if __name__ == "__main__":
    unittest.main()
