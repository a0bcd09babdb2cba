# SPDX-License-Identifier: Apache-2.0
"""Downloads from Debian's archive without root and without the machine's own configuration of apt.

Each archive has its own sources list, package lists and empty dpkg status in the cache. Package
lists are updated when they are a day old; without a network, the old lists are used.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
from pathlib import Path

from .verdict import Verdict, VmError

LISTS_LAST = 24 * 3600  # seconds

# The suites of Debian in each archive.
SUITES = {
    "stable": ("bookworm", "bookworm-updates", "bookworm-security"),
    "backports": ("bookworm-backports",),
    "sid": ("sid",),
}


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(base) / "accel").absolute()


def run(command: list[str], failure: str, cwd: Path | None = None) -> str:
    """Returns the output of a host program; a failure becomes one sentence with its last line."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise VmError(Verdict.SETUP, f"{failure}: {reason}")
    return done.stdout


class Archive:
    """A set of suites of Debian."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folder = cache_root() / f"apt-{name}"
        self._config = self._folder / "apt.conf"

    def depends(self, package: str) -> str:
        """The Depends line of the newest version, "" if it has none."""
        return self._field(package, "Depends")

    def version(self, package: str) -> str:
        return self._field(package, "Version")

    def download(self, packages: list[str], folder: Path) -> list[Path]:
        """Downloads these packages without their dependencies."""
        self._refresh()
        before = set(folder.glob("*.deb"))
        run(
            ["apt-get", "-q", "-c", str(self._config), "download", *packages],
            f"cannot download {' '.join(packages)}",
            cwd=folder,
        )
        return sorted(set(folder.glob("*.deb")) - before)

    def download_with_dependencies(self, packages: list[str], folder: Path) -> list[Path]:
        """Downloads these packages with all their dependencies, as for an empty machine."""
        self._refresh()
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        run(
            [
                "apt-get",
                "-q",
                "-y",
                "-c",
                str(self._config),
                "-o",
                f"Dir::Cache::archives={folder}",
                "--no-install-recommends",
                "--download-only",
                "install",
                *packages,
            ],
            f"cannot download {' '.join(packages)} from {self.name}",
        )
        return sorted(folder.glob("*.deb"))

    def _field(self, package: str, field: str) -> str:
        self._refresh()
        shown = run(
            ["apt-cache", "-c", str(self._config), "show", "--no-all-versions", package],
            f"Debian's archive ({', '.join(SUITES[self.name])}) has no {package}",
        )
        match = re.search(rf"^{field}: (.*)$", shown, re.MULTILINE)
        return match[1] if match else ""

    def _refresh(self) -> None:
        stamp = self._folder / "fetched"
        if stamp.is_file() and time.time() - stamp.stat().st_mtime < LISTS_LAST:
            return
        self._configure()
        try:
            run(
                ["apt-get", "-q", "-c", str(self._config), "--error-on=any", "update"],
                f"cannot read the package lists of {', '.join(SUITES[self.name])}",
            )
        except VmError:
            if not stamp.is_file():
                raise
        stamp.touch()

    def _configure(self) -> None:
        for folder in ("parts", "lists/partial", "archives/partial"):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        mirrors = _mirrors()
        (self._folder / "sources.list").write_text(
            "".join(
                f"deb {uri} {suite} main\n"
                for suite in SUITES[self.name]
                for uri in mirrors.get(suite, [_default(suite)])
            )
        )
        self._config.write_text(
            f'Dir::Etc::sourcelist "{self._folder}/sources.list";\n'
            f'Dir::Etc::sourceparts "{self._folder}/parts";\n'
            f'Dir::State "{self._folder}";\n'
            f'Dir::State::lists "{self._folder}/lists";\n'
            f'Dir::State::status "{self._folder}/status";\n'
            f'Dir::Cache "{self._folder}";\n'
            f'APT::Sandbox::User "{pwd.getpwuid(os.getuid()).pw_name}";\n'
            'Acquire::Languages "none";\n'
            "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
        )


def _default(suite: str) -> str:
    return (
        f"http://deb.debian.org/{'debian-security' if suite.endswith('-security') else 'debian'}/"
    )


def _mirrors() -> dict[str, list[str]]:
    """The mirrors in the machine's own configuration of apt, by suite."""
    listing = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(RELEASE) $(COMPONENT) $(REPO_URI)",
            "Identifier: Packages",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    mirrors: dict[str, list[str]] = {}
    for words in (line.split() for line in listing.splitlines()):
        if (
            len(words) == 3
            and words[1] == "main"
            and words[2] not in mirrors.setdefault(words[0], [])
        ):
            mirrors[words[0]].append(words[2])
    return mirrors
