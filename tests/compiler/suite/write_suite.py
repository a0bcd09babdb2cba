# SPDX-License-Identifier: Apache-2.0
"""Writes the operator tests of the installed package `onnx` as files.

    write_suite.py FOLDER

The layout is that of Debian's libonnx-testdata: FOLDER/KIND/test_NAME/model.onnx, with inputs and
expected outputs in test_data_set_N/input_I.pb and output_I.pb. KIND is `node` for the tests of one
operator, which the package generates, and `light`, `simple`, `pytorch-converted` or
`pytorch-operator` for those that it stores.
"""

import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

STORED = ("light", "simple", "pytorch-converted", "pytorch-operator")


def message(value: Any, info: onnx.ValueInfoProto) -> Any:
    """The message of an input or output: a tensor, a sequence, an optional or a map."""
    kind = info.type.WhichOneof("value")
    if isinstance(value, onnx.TensorProto):
        return value
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    if isinstance(value, dict):
        return numpy_helper.from_dict(value, info.name)
    return numpy_helper.from_array(numpy.asarray(value), info.name)


def write_values(folder: Path, name: str, values: Any, infos: Any) -> None:
    for number, (value, info) in enumerate(zip(values, infos, strict=False)):
        path = folder / f"{name}_{number}.pb"
        path.write_bytes(message(value, info).SerializeToString())


def write_test(folder: Path, case: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        write_values(data, "input", inputs, case.model.graph.input)
        write_values(data, "output", outputs, case.model.graph.output)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    # Some tests divide by zero on purpose.
    warnings.simplefilter("ignore")
    stored = Path(onnx.__file__).parent / "backend/test/data"
    for kind in STORED:
        shutil.copytree(stored / kind, target / kind)
    for case in collect_testcases():
        write_test(target / "node" / case.name, case)


if __name__ == "__main__":
    main()
