// SPDX-License-Identifier: Apache-2.0
//
// Commands that move memory and synchronize, matrix products, and what commands have in common.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "casters.hpp"
#include "command_builder.hpp"
#include "objects.hpp"

namespace accel::python {

namespace {

CommandObject make_copy(const OperandArgument& dst, const OperandArgument& src, std::uint64_t bytes,
                        std::uint32_t rows, std::uint64_t dst_stride, std::uint64_t src_stride) {
    Pins pins;
    return build(Copy{dst.operand(pins), src.operand(pins), bytes, rows, dst_stride, src_stride},
                 std::move(pins));
}

CommandObject make_fill(const OperandArgument& dst, std::uint64_t pattern,
                        std::uint32_t pattern_bytes, std::uint64_t bytes, std::uint32_t rows,
                        std::uint64_t dst_stride) {
    Pins pins;
    return build(Fill{dst.operand(pins), pattern, pattern_bytes, bytes, rows, dst_stride},
                 std::move(pins));
}

// The bytes of one element with the value of a number.
std::uint64_t pattern_of(nb::handle value, DataType type) {
    const nb::object bytes = nb::module_::import_("accel._arrays")
                                 .attr("element_bytes")(value, nb::str(name_of(type).data()));
    const auto text = nb::cast<nb::bytes>(bytes);
    std::uint64_t pattern = 0;
    std::memcpy(&pattern, text.c_str(), std::min(text.size(), sizeof(pattern)));
    return pattern;
}

CommandObject fill_buffer(const BufferObject& dst, const nb::object& value) {
    const std::uint64_t pattern = pattern_of(value, dst.type);
    OperandArgument operand;
    operand.buffer = const_cast<BufferObject*>(&dst);
    return make_fill(operand, pattern, size_of(dst.type), dst.checked().bytes(), 1, 0);
}

CommandObject copy_buffer(const BufferObject& dst, const BufferObject& src) {
    OperandArgument to;
    to.buffer = const_cast<BufferObject*>(&dst);
    OperandArgument from;
    from.buffer = const_cast<BufferObject*>(&src);
    return make_copy(to, from, src.checked().bytes(), 1, 0, 0);
}

CommandObject make_gemm(const OperandArgument& d, const OperandArgument& a,
                        const OperandArgument& b, const OperandArgument& bias, std::uint32_t m,
                        std::uint32_t n, std::uint32_t k, UnaryOp activation, bool transpose_a,
                        bool transpose_b, std::uint32_t lda, std::uint32_t ldb, std::uint32_t ldd,
                        float activation_alpha, float activation_beta, const NumericFormat& format,
                        std::uint32_t batch, std::uint32_t batch_stride_a,
                        std::uint32_t batch_stride_b, std::uint32_t batch_stride_d) {
    Pins pins;
    return build(Gemm{.d = d.operand(pins),
                      .a = a.operand(pins),
                      .b = b.operand(pins),
                      .bias = bias.operand(pins),
                      .m = m,
                      .n = n,
                      .k = k,
                      .activation = activation,
                      .transpose_a = transpose_a,
                      .transpose_b = transpose_b,
                      .lda = lda,
                      .ldb = ldb,
                      .ldd = ldd,
                      .activation_alpha = activation_alpha,
                      .activation_beta = activation_beta,
                      .format = format,
                      .batch = batch,
                      .batch_stride_a = batch_stride_a,
                      .batch_stride_b = batch_stride_b,
                      .batch_stride_d = batch_stride_d},
                 std::move(pins));
}

void bind_command(nb::module_& module) {
    nb::class_<CommandObject>(module, "Command",
                              "A checked and encoded command. The functions of accel.commands make "
                              "one. It can be submitted many times, and keeps its buffers alive.")
        .def_static(
            "raw",
            [](const nb::bytes& bytes) {
                std::array<std::byte, 64> raw{};
                if (bytes.size() != raw.size()) {
                    refuse("a raw command has 64 bytes, not " + std::to_string(bytes.size()));
                }
                std::memcpy(raw.data(), bytes.c_str(), raw.size());
                return CommandObject{accel::Command::raw(raw), {}};
            },
            nb::arg("bytes"), "A command of 64 bytes that the card gets unchanged and unchecked.")
        .def_static(
            "deserialize",
            [](const nb::bytes& bytes) {
                return CommandObject{accel::Command::deserialize(
                                         std::as_bytes(std::span(bytes.c_str(), bytes.size()))),
                                     {}};
            },
            nb::arg("bytes"), "The command that serialize() of this version wrote.")
        .def(
            "serialize",
            [](const CommandObject& self) {
                const auto bytes = self.command.serialize();
                return nb::bytes(bytes.data(), bytes.size());
            },
            "The command as bytes. All of its operands must be arguments.")
        .def(
            "with_record",
            [](const CommandObject& self, const OperandArgument& record) {
                Pins pins = self.pins;
                const Operand operand = record.operand(pins);
                return CommandObject{self.command.with_record(operand), std::move(pins)};
            },
            nb::arg("record"),
            "The command with a completion record of 32 bytes that the card writes at `record`: "
            "u64 sequence, u32 status, u32 list index, u64 start and u64 end in device ticks.");
}

void bind_memory_commands(nb::module_& commands) {
    commands.def("Copy", &make_copy, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
                 nb::arg("bytes"), nb::arg("rows") = 1, nb::arg("dst_stride") = 0,
                 nb::arg("src_stride") = 0,
                 "Copies `rows` rows of `bytes` bytes each. Strides are in bytes. `dst` and `src` "
                 "must not overlap.");
    commands.def("Fill", &make_fill, nb::kw_only(), nb::arg("dst"), nb::arg("pattern"),
                 nb::arg("pattern_bytes") = 4, nb::arg("bytes") = 0, nb::arg("rows") = 1,
                 nb::arg("dst_stride") = 0,
                 "Repeats the low `pattern_bytes` (1, 2, 4 or 8) bytes of `pattern` over `rows` "
                 "rows of `bytes` bytes each.");
    commands.def("copy", &copy_buffer, nb::arg("dst"), nb::arg("src"),
                 "Copies all of `src` to the start of `dst`.");
    commands.def("fill", &fill_buffer, nb::arg("dst"), nb::arg("value"),
                 nb::sig("def fill(dst: Buffer, value: float) -> Command"),
                 "Sets every element of `dst` to `value`.");
    commands.def(
        "Nop", [] { return build(Nop{}, {}); },
        "Does nothing: its job is over when all earlier commands of the queue are.");
    commands.def(
        "Wait",
        [](const OperandArgument& word, std::uint64_t value) {
            Pins pins;
            return build(Wait{word.operand(pins), value}, std::move(pins));
        },
        nb::kw_only(), nb::arg("word"), nb::arg("value"),
        "Holds the queue until the u64 at `word` (8-byte aligned) is at least `value`.");
    commands.def(
        "Signal",
        [](const OperandArgument& word, std::uint64_t value) {
            Pins pins;
            return build(Signal{word.operand(pins), value}, std::move(pins));
        },
        nb::kw_only(), nb::arg("word"), nb::arg("value"),
        "Stores `value` in the u64 at `word`, after all earlier commands of the queue.");
}

void bind_list_control(nb::module_& commands) {
    commands.def(
        "Loop",
        [](std::uint32_t count_of_commands, std::uint64_t limit, const OperandArgument& count,
           const OperandArgument& condition, const OperandArgument& index) {
            Pins pins;
            return build(Loop{count_of_commands, limit, count.operand(pins),
                              condition.operand(pins), index.operand(pins)},
                         std::move(pins));
        },
        nb::kw_only(), nb::arg("commands"), nb::arg("limit") = UINT64_MAX,
        nb::arg("count") = nb::none(), nb::arg("condition") = nb::none(),
        nb::arg("index") = nb::none(),
        "Runs the next `commands` commands of a list in several passes: `limit` of them, or fewer "
        "if the i64 at `count` is less. The loop ends before a pass if the byte at `condition` is "
        "zero. At `index` the card stores the number of each pass. Only for lists.");
    commands.def(
        "Skip",
        [](std::uint32_t count_of_commands, const OperandArgument& condition, bool if_nonzero) {
            Pins pins;
            return build(Skip{count_of_commands, condition.operand(pins), if_nonzero},
                         std::move(pins));
        },
        nb::kw_only(), nb::arg("commands"), nb::arg("condition"), nb::arg("if_nonzero") = false,
        "Skips the next `commands` commands of a list if the byte at `condition` is zero. Only for "
        "lists.");
    commands.def(
        "SetArgument",
        [](std::uint32_t number_of_argument, const OperandArgument& base, std::uint64_t bytes,
           std::uint64_t count, std::uint64_t stride, bool reversed, Access access, bool by_pass,
           const OperandArgument& number) {
            Pins pins;
            return build(SetArgument{number_of_argument, base.operand(pins), bytes, count, stride,
                                     reversed, access, by_pass, number.operand(pins)},
                         std::move(pins));
        },
        nb::kw_only(), nb::arg("argument"), nb::arg("base"), nb::arg("bytes"), nb::arg("count") = 1,
        nb::arg("stride") = 0, nb::arg("reversed") = false, nb::arg("access") = Access::read_write,
        nb::arg("by_pass") = false, nb::arg("number") = nb::none(),
        "Makes an argument of the call a slice of `base`, for the commands that follow. The number "
        "of the slice is the pass of the innermost loop (`by_pass`), or the i64 at `number`. Only "
        "for lists.");
}

void bind_format(nb::module_& module) {
    nb::class_<NumericFormat>(module, "NumericFormat",
                              "The numeric format of Gemm and Conv2d: data types, zero points and "
                              "requantization.\n\n"
                              "Floats: sources and result are f32, bf16 or f16 in any combination. "
                              "Quantized: sources are i8 or u8, and the result is i32; with "
                              "`requantize` it is f32, i8 or u8, and the bias operand holds a pair "
                              "of i32 bias and f32 scale for each channel.")
        .def(
            "__init__",
            [](NumericFormat* self, const TypeArgument& a_type, const TypeArgument& b_type,
               const TypeArgument& result_type, std::int16_t a_zero, std::int16_t b_zero,
               std::int16_t result_zero, bool requantize, bool accumulate) {
                new (self) NumericFormat{a_type.get(), b_type.get(), result_type.get(), a_zero,
                                         b_zero,       result_zero,  requantize,        accumulate};
            },
            nb::kw_only(), nb::arg("a_type") = DataType::f32, nb::arg("b_type") = DataType::f32,
            nb::arg("result_type") = DataType::f32, nb::arg("a_zero_point") = 0,
            nb::arg("b_zero_point") = 0, nb::arg("result_zero_point") = 0,
            nb::arg("requantize") = false, nb::arg("accumulate") = false)
        .def_rw("a_type", &NumericFormat::a_type)
        .def_rw("b_type", &NumericFormat::b_type)
        .def_rw("result_type", &NumericFormat::result_type)
        .def_rw("a_zero_point", &NumericFormat::a_zero_point)
        .def_rw("b_zero_point", &NumericFormat::b_zero_point)
        .def_rw("result_zero_point", &NumericFormat::result_zero_point)
        .def_rw("requantize", &NumericFormat::requantize)
        .def_rw("accumulate", &NumericFormat::accumulate);
}

}  // namespace

void bind_commands(nb::module_& module) {
    bind_command(module);
    bind_format(module);
    bind_memory_commands(module);
    bind_list_control(module);
    module.def("Gemm", &make_gemm, nb::kw_only(), nb::arg("d"), nb::arg("a"), nb::arg("b"),
               nb::arg("bias") = nb::none(), nb::arg("m"), nb::arg("n"), nb::arg("k"),
               nb::arg("activation").noconvert() = UnaryOp::none, nb::arg("transpose_a") = false,
               nb::arg("transpose_b") = false, nb::arg("lda") = 0, nb::arg("ldb") = 0,
               nb::arg("ldd") = 0, nb::arg("activation_alpha") = 0.0F,
               nb::arg("activation_beta") = 0.0F, nb::arg("format") = NumericFormat{},
               nb::arg("batch") = 1, nb::arg("batch_stride_a") = 0, nb::arg("batch_stride_b") = 0,
               nb::arg("batch_stride_d") = 0,
               "d[m][n] = activation(sum over k of a[m][k] * b[k][n] + bias[n]), for each matrix "
               "of a batch.\n\nMatrices are row-major; leading dimensions and batch strides are in "
               "elements, and zero means dense.");
}

}  // namespace accel::python
