# SPDX-License-Identifier: Apache-2.0
"""Judges ONNX's operator suites, and writes what they show.

    report.py PROGRAM NEWEST DEBIAN CACHE

PROGRAM is onnx-suite, NEWEST and DEBIAN are the folders of the suites, and CACHE is a folder for
the results of ONNX Runtime. The script writes docs/reference/operators.md and record.json, with
which the suite `compiler` compares. suite.sh --python prints the interpreter that runs it.
"""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import onnx
import onnx.defs
import onnxruntime

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs/reference/operators.md"
RECORD = HERE / "record.json"
MICROSOFT = "com.microsoft."
OUTCOMES = ("passed", "loosely", "refused", "wrong")

Verdicts = dict[str, dict[str, str]]

INTRODUCTION = """\
# Operators of ONNX

This page lists the operators that the model compiler accepts, in models of opset 1 to
{latest}. It also shows how many models of ONNX's operator suites pass, here and in ONNX Runtime.
It is for programmers who look something up; [run a model](../guides/run-a-model.md) shows how to
load a file. `make model-report` writes the page, and a test of the suite `compiler` keeps it true.

The compiler may refuse a case of an operator, such as a data type that the card does not have. The
message names the operator, its node and the case. `accelctl run MODEL --check-only` lists all that
is not supported in a model. [Refusals](../concepts/compiler.md#refusals) lists the causes that
concern a whole file. The guide [add an operator](../guides/add-an-operator.md) shows how to extend
the compiler.

## The suites

A model *passes* if each output differs from that of the suite by at most 1e-7 + 1e-3 × the
expected value. This is the tolerance of ONNX's own runner (for bf16, 2⁻⁶ relative). A model passes
*loosely* with 1e-5 in place of 1e-7. A *refused* model ends with a message, and a *wrong* one has
other outputs.

| suite | judged | models | pass | loosely | refused | wrong |
|---|---|---:|---:|---:|---:|---:|
"""

OPERATORS = """
## Operators

*Opsets* are those in which the compiler accepts the operator: "13 –" is opset 13 and all newer
ones. The numbers count models of the newest suite; the last two columns count those of Debian.
*Pass* includes models that pass loosely. A model with several operators counts for the one that it
tests.

| operator | opsets | pass | refused | ONNX Runtime: pass | refused | wrong | Debian | refused |
|---|---|---:|---:|---:|---:|---:|---:|---:|
"""

OTHER_DOMAINS = """
## Operators of com.microsoft

ONNX Runtime's optimizer and its quantizers write these operators. The suites have no models of
them; `make test-compiler` compares them with ONNX Runtime.

| operator | opsets |
|---|---|
"""


def judge(program: str, folder: str) -> Verdicts:
    done = subprocess.run([program, folder], check=True, stdout=subprocess.PIPE, text=True)
    return by_name(done.stdout)


def by_name(lines: str) -> Verdicts:
    return {one["name"]: one for one in map(json.loads, lines.splitlines())}


def judge_onnxruntime(folder: str, cache: Path) -> Verdicts:
    """Its results do not change, so they are kept."""
    key = Path(folder).name + "-" + onnxruntime.__version__
    kept = cache / f"onnxruntime-{key}.jsonl"
    if not kept.exists():
        script = HERE / "judge_onnxruntime.py"
        done = subprocess.run(
            [sys.executable, str(script), folder], check=True, stdout=subprocess.PIPE, text=True
        )
        kept.write_text(done.stdout)
    return by_name(kept.read_text())


def supported(program: str) -> dict[str, str]:
    """The opsets that the compiler serves, by operator."""
    done = subprocess.run([program, "--operators"], check=True, stdout=subprocess.PIPE, text=True)
    texts = {}
    for one in map(json.loads, done.stdout.splitlines()):
        ranges = sorted(one["opsets"], key=lambda pair: pair[0])
        last = ranges[-1][1]
        if any(pair[1] is None for pair in ranges):
            last = None
        texts[one["name"]] = f"{ranges[0][0]} – {last or ''}".strip()
    return texts


def qualified(domain: str, name: str) -> str:
    return f"{domain}.{name}" if domain not in ("", "ai.onnx") else name


class Subjects:
    """The operator that a model tests."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        schemas = onnx.defs.get_all_schemas()
        self.names = {qualified(schema.domain, schema.name) for schema in schemas}
        self.known: dict[str, str] = {}

    def of(self, name: str) -> str:
        if name not in self.known:
            self.known[name] = self.find(name)
        return self.known[name]

    def find(self, name: str) -> str:
        kind, test = name.split("/")
        if kind in ("light", "pytorch-operator", "pytorch-converted", "simple"):
            return "whole networks and several operators"
        base = re.sub(r"_expanded(_ver\d+)?$", "", test)
        if base != test and (self.folder / kind / base).exists():
            return self.of(f"{kind}/{base}")
        graph = onnx.load(self.folder / name / "model.onnx").graph
        used = [qualified(node.domain, node.op_type) for node in graph.node]
        if len(used) == 1:
            return used[0]
        flat = base.removeprefix("test_").replace("_", "").lower()
        fitting = [one for one in self.names if flat.startswith(one.split(".")[-1].lower())]
        if fitting:
            return max(fitting, key=lambda one: len(one.split(".")[-1]))
        others = [one for one in used if one not in ("Constant", "Identity")]
        return others[0] if others else used[0]


def counts(verdicts: Verdicts) -> Counter[str]:
    return Counter(one["outcome"] for one in verdicts.values())


def counts_by_subject(verdicts: Verdicts, subjects: Subjects) -> dict[str, Counter[str]]:
    by_subject: dict[str, Counter[str]] = defaultdict(Counter)
    for name, one in verdicts.items():
        by_subject[subjects.of(name)][one["outcome"]] += 1
    return by_subject


def cause_of(detail: str) -> str:
    """The text of a refusal without the names of nodes and tensors, which differ by model."""
    text = re.sub(r" \(output '[^']*'\)", "", detail)
    text = re.sub(r"^([\w.]+) '[^']*':", r"\1:", text)
    text = re.sub(r"'[^' ]+'", "'…'", text)
    text = re.sub(r": (?:Invalid argument|Bad message)$", "", text)
    return text.replace("|", "\\|").replace("<", "&lt;")


def short(name: str) -> str:
    return name.removeprefix("node/").removeprefix("test_")


def summary_row(suite: str, judged: str, verdicts: Verdicts) -> str:
    count = counts(verdicts)
    numbers = " | ".join(f"{count[outcome]:,}" for outcome in OUTCOMES)
    return f"| {suite} | {judged} | {len(verdicts):,} | {numbers} |\n"


def operator_rows(
    opsets: dict[str, str],
    here: dict[str, Counter[str]],
    runtime: dict[str, Counter[str]],
    debian: dict[str, Counter[str]],
) -> str:
    names = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    names |= {name for name in opsets if not name.startswith(MICROSOFT)}
    names |= set(here) | set(debian)
    text = ""
    for name in sorted(names, key=lambda one: (" " in one, "." in one, one)):
        mine, theirs, older = here[name], runtime[name], debian[name]
        numbers = [
            mine["passed"] + mine["loosely"],
            mine["refused"],
            theirs["passed"] + theirs["loosely"],
            theirs["refused"],
            theirs["wrong"],
            older["passed"] + older["loosely"],
            older["refused"],
        ]
        cells = " | ".join(str(number) if number else "" for number in numbers)
        text += f"| {name} | {opsets.get(name, '–' if ' ' not in name else '')} | {cells} |\n"
    return text


def refusals(title: str, verdicts: Verdicts) -> str:
    causes: dict[str, list[str]] = defaultdict(list)
    for name, one in sorted(verdicts.items()):
        if one["outcome"] == "refused":
            causes[cause_of(one["detail"])].append(short(name))
    text = f"\n### {title}\n\n| cause | models |\n|---|---|\n"
    for cause, names in sorted(causes.items(), key=lambda item: (-len(item[1]), item[0])):
        text += f"| {cause} | {len(names)}: {', '.join(names)} |\n"
    return text if causes else f"\n### {title}\n\nNone.\n"


def inexact(newest: Verdicts, runtime: Verdicts) -> str:
    text = "\n## Models that pass loosely, or are wrong\n\n"
    names = [name for name, one in sorted(newest.items()) if one["outcome"] in ("loosely", "wrong")]
    if not names:
        return text + "None.\n"
    text += "A model may pass loosely only where ONNX Runtime misses the suite's tolerance, too.\n"
    text += "\n| model | here | ONNX Runtime |\n|---|---|---|\n"
    for name in names:
        mine, theirs = newest[name], runtime[name]
        text += f"| {short(name)} | {mine['outcome']}: {mine['detail']} | "
        text += f"{theirs['outcome']}{': ' if theirs['detail'] else ''}{theirs['detail']} |\n"
    return text


def only_there(newest: Verdicts, runtime: Verdicts) -> str:
    better = Counter(
        (one["outcome"] in ("passed", "loosely"), runtime[name]["outcome"] == "passed")
        for name, one in newest.items()
    )
    return (
        f"\n{better[True, False]} models of the newest suite pass here and not in ONNX Runtime, "
        f"and {better[False, True]} the other way round.\n"
    )


def write_page(
    opsets: dict[str, str],
    newest: Verdicts,
    debian: Verdicts,
    runtime: Verdicts,
    folders: list[str],
) -> None:
    subjects, older = Subjects(folders[0]), Subjects(folders[1])
    text = INTRODUCTION.format(latest=onnx.defs.onnx_opset_version())
    suite = f"package onnx {onnx.__version__} of PyPI"
    text += summary_row(suite, "this compiler", newest)
    text += summary_row(suite, f"ONNX Runtime {onnxruntime.__version__}, CPU provider", runtime)
    text += summary_row("Debian 12, libonnx-testdata 1.12.0", "this compiler", debian)
    text += only_there(newest, runtime)
    text += OPERATORS
    text += operator_rows(
        opsets,
        counts_by_subject(newest, subjects),
        counts_by_subject(runtime, subjects),
        counts_by_subject(debian, older),
    )
    text += OTHER_DOMAINS
    for name in sorted(name for name in opsets if name.startswith(MICROSOFT)):
        text += f"| {name} | {opsets[name]} |\n"
    text += inexact(newest, runtime)
    text += "\n## Refused models\n\nThe names are those of the folders, without `node/test_`.\n"
    text += refusals("Of the newest suite", newest)
    text += refusals("Of Debian's suite", debian)
    PAGE.write_text(text)


def recorded(verdicts: Verdicts) -> dict[str, Any]:
    def named(outcome: str) -> list[str]:
        return sorted(name for name, one in verdicts.items() if one["outcome"] == outcome)

    return {
        "passed": counts(verdicts)["passed"],
        "loosely": named("loosely"),
        "refused": {name: cause_of(verdicts[name]["detail"]) for name in named("refused")},
    }


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    program, newest_folder, debian_folder, cache = sys.argv[1:]
    runtime = judge_onnxruntime(newest_folder, Path(cache))
    newest, debian = judge(program, newest_folder), judge(program, debian_folder)
    folders = [newest_folder, debian_folder]
    write_page(supported(program), newest, debian, runtime, folders)
    record = {"newest": recorded(newest), "debian": recorded(debian)}
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    failed = False
    for title, verdicts in (("newest", newest), ("Debian's", debian)):
        count = counts(verdicts)
        print(title, "suite:", ", ".join(f"{count[outcome]} {outcome}" for outcome in OUTCOMES))
        for name, one in verdicts.items():
            missed = name in runtime and runtime[name]["outcome"] in ("loosely", "wrong")
            if one["outcome"] == "wrong" or (one["outcome"] == "loosely" and not missed):
                print(f"{one['outcome']}: {name}: {one['detail']}")
                failed = True
    count = counts(runtime)
    print("ONNX Runtime:", ", ".join(f"{count[outcome]} {outcome}" for outcome in OUTCOMES))
    sys.exit(failed)


if __name__ == "__main__":
    main()
