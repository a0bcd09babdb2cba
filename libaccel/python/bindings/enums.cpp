// SPDX-License-Identifier: Apache-2.0
//
// The enumerations of the library, with the names of C++.
#include <nanobind/nanobind.h>

#include <accel/accel.hpp>

#include "bindings.hpp"

namespace nb = nanobind;

namespace accel::python {

namespace {

void bind_memory_enums(nb::module_& module) {
    nb::enum_<DataType>(module, "DataType", "The data type of a tensor's elements.")
        .value("f32", DataType::f32)
        .value("bf16", DataType::bf16)
        .value("f16", DataType::f16)
        .value("i8", DataType::i8)
        .value("u8", DataType::u8)
        .value("i16", DataType::i16)
        .value("u16", DataType::u16)
        .value("i32", DataType::i32)
        .value("u32", DataType::u32)
        .value("i64", DataType::i64)
        .value("boolean", DataType::boolean, "One byte: zero is false.")
        .value("f64", DataType::f64, "For Elementwise only, which rounds it to f32.")
        .value("u64", DataType::u64, "For Elementwise only, which clamps it to the range of i64.");
    nb::enum_<Access>(module, "Access", "How the card may access a buffer.")
        .value("read", Access::read)
        .value("write", Access::write)
        .value("read_write", Access::read_write);
    nb::enum_<Placement>(module, "Placement", "The memory that holds a buffer.")
        .value("host", Placement::host, "Host memory, mapped for the CPU.")
        .value("device", Placement::device, "Device memory without a CPU mapping.")
        .value("device_mapped", Placement::device_mapped,
               "Device memory, mapped: fast to write in order, slow to read.");
    nb::enum_<Priority>(module, "Priority", "The priority of a queue.")
        .value("low", Priority::low)
        .value("normal", Priority::normal)
        .value("high", Priority::high)
        .value("urgent", Priority::urgent);
}

void bind_elementwise_enums(nb::module_& module) {
    nb::enum_<UnaryOp>(module, "UnaryOp", "A function of one value: the activation of a command.")
        .value("none", UnaryOp::none)
        .value("relu", UnaryOp::relu)
        .value("clip", UnaryOp::clip)
        .value("leaky_relu", UnaryOp::leaky_relu)
        .value("hard_sigmoid", UnaryOp::hard_sigmoid)
        .value("hard_swish", UnaryOp::hard_swish)
        .value("abs", UnaryOp::abs)
        .value("neg", UnaryOp::neg)
        .value("sqrt", UnaryOp::sqrt)
        .value("reciprocal", UnaryOp::reciprocal)
        .value("floor", UnaryOp::floor)
        .value("ceil", UnaryOp::ceil)
        .value("round", UnaryOp::round)
        .value("exp", UnaryOp::exp)
        .value("log", UnaryOp::log)
        .value("sigmoid", UnaryOp::sigmoid)
        .value("tanh", UnaryOp::tanh)
        .value("erf", UnaryOp::erf)
        .value("gelu", UnaryOp::gelu)
        .value("elu", UnaryOp::elu)
        .value("softplus", UnaryOp::softplus)
        .value("sin", UnaryOp::sin)
        .value("cos", UnaryOp::cos)
        .value("atan", UnaryOp::atan)
        .value("sign", UnaryOp::sign)
        .value("logical_not", UnaryOp::logical_not)
        .value("tan", UnaryOp::tan)
        .value("asin", UnaryOp::asin)
        .value("acos", UnaryOp::acos)
        .value("sinh", UnaryOp::sinh)
        .value("cosh", UnaryOp::cosh)
        .value("asinh", UnaryOp::asinh)
        .value("acosh", UnaryOp::acosh)
        .value("atanh", UnaryOp::atanh);
    nb::enum_<ElementwiseOp>(module, "ElementwiseOp", "The operation of an Elementwise command.")
        .value("add", ElementwiseOp::add)
        .value("sub", ElementwiseOp::sub)
        .value("mul", ElementwiseOp::mul)
        .value("div", ElementwiseOp::div)
        .value("min", ElementwiseOp::min)
        .value("max", ElementwiseOp::max)
        .value("identity", ElementwiseOp::identity)
        .value("prelu", ElementwiseOp::prelu)
        .value("pow", ElementwiseOp::pow)
        .value("fmod", ElementwiseOp::fmod)
        .value("mod", ElementwiseOp::mod)
        .value("equal", ElementwiseOp::equal)
        .value("less", ElementwiseOp::less)
        .value("less_equal", ElementwiseOp::less_equal)
        .value("bit_and", ElementwiseOp::bit_and)
        .value("bit_or", ElementwiseOp::bit_or)
        .value("bit_xor", ElementwiseOp::bit_xor)
        .value("shift_left", ElementwiseOp::shift_left)
        .value("shift_right", ElementwiseOp::shift_right)
        .value("select", ElementwiseOp::select);
}

}  // namespace

void bind_enums(nb::module_& module) {
    bind_memory_enums(module);
    bind_elementwise_enums(module);
    nb::enum_<ReduceOp>(module, "ReduceOp", "The operation of a Reduce command.")
        .value("sum", ReduceOp::sum)
        .value("max", ReduceOp::max)
        .value("min", ReduceOp::min)
        .value("argmax", ReduceOp::argmax)
        .value("argmin", ReduceOp::argmin)
        .value("product", ReduceOp::product)
        .value("mean", ReduceOp::mean);
    nb::enum_<ScatterOp>(module, "ScatterOp", "The operation of a Scatter command.")
        .value("set", ScatterOp::set)
        .value("add", ScatterOp::add)
        .value("mul", ScatterOp::mul)
        .value("min", ScatterOp::min)
        .value("max", ScatterOp::max);
    nb::enum_<PoolOp>(module, "PoolOp", "The operation of a Pool command.")
        .value("max", PoolOp::max)
        .value("average", PoolOp::average);
}

}  // namespace accel::python
