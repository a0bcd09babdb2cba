// SPDX-License-Identifier: Apache-2.0
//
// The public headers repeat constants of the hardware header, so that they need not include it. The
// assertions of this file check that the constants are equal.
#include <accel_hw.h>
#include <accel_uapi.h>

#include <bit>
#include <cstddef>

#include "accel/accel.hpp"

namespace accel {

namespace {

template <typename Mirror, typename Value>
constexpr bool same(Mirror mirror, Value value) {
    return static_cast<unsigned long long>(mirror) == static_cast<unsigned long long>(value);
}

// The ring, the status page and the parameters are little-endian and are written without
// conversion.
static_assert(std::endian::native == std::endian::little);

static_assert(same(CardStatus::ok, ACCEL_OK));
static_assert(same(CardStatus::bad_opcode, ACCEL_BAD_OPCODE));
static_assert(same(CardStatus::bad_field, ACCEL_BAD_FIELD));
static_assert(same(CardStatus::bad_alignment, ACCEL_BAD_ALIGNMENT));
static_assert(same(CardStatus::bad_size, ACCEL_BAD_SIZE));
static_assert(same(CardStatus::bad_argument, ACCEL_BAD_ARGUMENT));
static_assert(same(CardStatus::nested_call, ACCEL_NESTED_CALL));
static_assert(same(CardStatus::bad_doorbell, ACCEL_BAD_DOORBELL));
static_assert(same(CardStatus::fault_unmapped, ACCEL_FAULT_UNMAPPED));
static_assert(same(CardStatus::fault_read, ACCEL_FAULT_READ));
static_assert(same(CardStatus::fault_write, ACCEL_FAULT_WRITE));
static_assert(same(CardStatus::fault_table, ACCEL_FAULT_TABLE));
static_assert(same(CardStatus::bus_error, ACCEL_BUS_ERROR));
static_assert(same(CardStatus::aborted, ACCEL_ABORTED));
static_assert(same(CardStatus::busy, ACCEL_BUSY));
static_assert(same(CardStatus::exists, ACCEL_EXISTS));
static_assert(same(CardStatus::not_found, ACCEL_NOT_FOUND));
static_assert(same(CardStatus::internal, ACCEL_INTERNAL));
static_assert(same(CardStatus::bad_index, ACCEL_BAD_INDEX));
static_assert(same(CardStatus::time_limit, ACCEL_TIME_LIMIT));
static_assert(same(CardStatus::no_progress, ACCEL_NO_PROGRESS));
static_assert(same(CardStatus::step_limit, ACCEL_STEP_LIMIT));

static_assert(same(Reason::none, ACCEL_REASON_NONE));
static_assert(same(Reason::error, ACCEL_REASON_ERROR));
static_assert(same(Reason::time_limit, ACCEL_REASON_TIME_LIMIT));
static_assert(same(Reason::no_progress, ACCEL_REASON_NO_PROGRESS));
static_assert(same(Reason::stopped, ACCEL_REASON_STOPPED));
static_assert(same(Reason::reset, ACCEL_REASON_RESET));
static_assert(same(Reason::recovery, ACCEL_REASON_RECOVERY));
static_assert(same(Reason::link_error, ACCEL_REASON_LINK_ERROR));
static_assert(same(Reason::suspend, ACCEL_REASON_SUSPEND));
static_assert(same(Reason::removed, ACCEL_REASON_REMOVED));
static_assert(same(Reason::wedged, ACCEL_REASON_WEDGED));

static_assert(same(UnaryOp::none, ACCEL_UNARY_NONE));
static_assert(same(UnaryOp::relu, ACCEL_UNARY_RELU));
static_assert(same(UnaryOp::clip, ACCEL_UNARY_CLIP));
static_assert(same(UnaryOp::leaky_relu, ACCEL_UNARY_LEAKY_RELU));
static_assert(same(UnaryOp::hard_sigmoid, ACCEL_UNARY_HARD_SIGMOID));
static_assert(same(UnaryOp::hard_swish, ACCEL_UNARY_HARD_SWISH));
static_assert(same(UnaryOp::abs, ACCEL_UNARY_ABS));
static_assert(same(UnaryOp::neg, ACCEL_UNARY_NEG));
static_assert(same(UnaryOp::sqrt, ACCEL_UNARY_SQRT));
static_assert(same(UnaryOp::reciprocal, ACCEL_UNARY_RECIPROCAL));
static_assert(same(UnaryOp::floor, ACCEL_UNARY_FLOOR));
static_assert(same(UnaryOp::ceil, ACCEL_UNARY_CEIL));
static_assert(same(UnaryOp::round, ACCEL_UNARY_ROUND));
static_assert(same(UnaryOp::exp, ACCEL_UNARY_EXP));
static_assert(same(UnaryOp::log, ACCEL_UNARY_LOG));
static_assert(same(UnaryOp::sigmoid, ACCEL_UNARY_SIGMOID));
static_assert(same(UnaryOp::tanh, ACCEL_UNARY_TANH));
static_assert(same(UnaryOp::erf, ACCEL_UNARY_ERF));
static_assert(same(UnaryOp::gelu, ACCEL_UNARY_GELU));
static_assert(same(UnaryOp::elu, ACCEL_UNARY_ELU));
static_assert(same(UnaryOp::softplus, ACCEL_UNARY_SOFTPLUS));
static_assert(same(UnaryOp::sin, ACCEL_UNARY_SIN));
static_assert(same(UnaryOp::cos, ACCEL_UNARY_COS));
static_assert(same(UnaryOp::atan, ACCEL_UNARY_ATAN));
static_assert(same(UnaryOp::sign, ACCEL_UNARY_SIGN));
static_assert(same(UnaryOp::logical_not, ACCEL_UNARY_NOT));
static_assert(same(UnaryOp::tan, ACCEL_UNARY_TAN));
static_assert(same(UnaryOp::asin, ACCEL_UNARY_ASIN));
static_assert(same(UnaryOp::acos, ACCEL_UNARY_ACOS));
static_assert(same(UnaryOp::sinh, ACCEL_UNARY_SINH));
static_assert(same(UnaryOp::cosh, ACCEL_UNARY_COSH));
static_assert(same(UnaryOp::asinh, ACCEL_UNARY_ASINH));
static_assert(same(UnaryOp::acosh, ACCEL_UNARY_ACOSH));
static_assert(same(UnaryOp::atanh, ACCEL_UNARY_ATANH));

static_assert(same(ElementwiseOp::add, ACCEL_EW_ADD));
static_assert(same(ElementwiseOp::sub, ACCEL_EW_SUB));
static_assert(same(ElementwiseOp::mul, ACCEL_EW_MUL));
static_assert(same(ElementwiseOp::div, ACCEL_EW_DIV));
static_assert(same(ElementwiseOp::min, ACCEL_EW_MIN));
static_assert(same(ElementwiseOp::max, ACCEL_EW_MAX));
static_assert(same(ElementwiseOp::identity, ACCEL_EW_IDENTITY));
static_assert(same(ElementwiseOp::prelu, ACCEL_EW_PRELU));
static_assert(same(ElementwiseOp::pow, ACCEL_EW_POW));
static_assert(same(ElementwiseOp::fmod, ACCEL_EW_FMOD));
static_assert(same(ElementwiseOp::mod, ACCEL_EW_MOD));
static_assert(same(ElementwiseOp::equal, ACCEL_EW_EQUAL));
static_assert(same(ElementwiseOp::less, ACCEL_EW_LESS));
static_assert(same(ElementwiseOp::less_equal, ACCEL_EW_LESS_EQUAL));
static_assert(same(ElementwiseOp::bit_and, ACCEL_EW_AND));
static_assert(same(ElementwiseOp::bit_or, ACCEL_EW_OR));
static_assert(same(ElementwiseOp::bit_xor, ACCEL_EW_XOR));
static_assert(same(ElementwiseOp::shift_left, ACCEL_EW_SHIFT_LEFT));
static_assert(same(ElementwiseOp::shift_right, ACCEL_EW_SHIFT_RIGHT));
static_assert(same(ElementwiseOp::select, ACCEL_EW_SELECT));

static_assert(same(DataType::f32, ACCEL_TYPE_F32));
static_assert(same(DataType::bf16, ACCEL_TYPE_BF16));
static_assert(same(DataType::f16, ACCEL_TYPE_F16));
static_assert(same(DataType::i8, ACCEL_TYPE_I8));
static_assert(same(DataType::u8, ACCEL_TYPE_U8));
static_assert(same(DataType::i16, ACCEL_TYPE_I16));
static_assert(same(DataType::u16, ACCEL_TYPE_U16));
static_assert(same(DataType::i32, ACCEL_TYPE_I32));
static_assert(same(DataType::u32, ACCEL_TYPE_U32));
static_assert(same(DataType::i64, ACCEL_TYPE_I64));
static_assert(same(DataType::boolean, ACCEL_TYPE_BOOL));
static_assert(same(DataType::f64, ACCEL_TYPE_F64));
static_assert(same(DataType::u64, ACCEL_TYPE_U64));
static_assert(same(DataType::f8e4m3fn, ACCEL_TYPE_F8E4M3FN));
static_assert(same(DataType::f8e4m3fnuz, ACCEL_TYPE_F8E4M3FNUZ));
static_assert(same(DataType::f8e5m2, ACCEL_TYPE_F8E5M2));
static_assert(same(DataType::f8e5m2fnuz, ACCEL_TYPE_F8E5M2FNUZ));
static_assert(same(DataType::f8e8m0, ACCEL_TYPE_F8E8M0));
static_assert(same(DataType::f4e2m1, ACCEL_TYPE_F4E2M1));
static_assert(same(DataType::i4, ACCEL_TYPE_I4));
static_assert(same(DataType::u4, ACCEL_TYPE_U4));
static_assert(same(DataType::i2, ACCEL_TYPE_I2));
static_assert(same(DataType::u2, ACCEL_TYPE_U2));

static_assert(same(PoolOp::max, ACCEL_POOL_MAX));
static_assert(same(PoolOp::average, ACCEL_POOL_AVERAGE));

static_assert(same(ReduceOp::sum, ACCEL_REDUCE_SUM));
static_assert(same(ReduceOp::max, ACCEL_REDUCE_MAX));
static_assert(same(ReduceOp::min, ACCEL_REDUCE_MIN));
static_assert(same(ReduceOp::argmax, ACCEL_REDUCE_ARGMAX));
static_assert(same(ReduceOp::argmin, ACCEL_REDUCE_ARGMIN));
static_assert(same(ReduceOp::product, ACCEL_REDUCE_PRODUCT));
static_assert(same(ReduceOp::mean, ACCEL_REDUCE_MEAN));

static_assert(same(ScatterOp::set, ACCEL_SCATTER_SET));
static_assert(same(ScatterOp::add, ACCEL_SCATTER_ADD));
static_assert(same(ScatterOp::mul, ACCEL_SCATTER_MUL));
static_assert(same(ScatterOp::min, ACCEL_SCATTER_MIN));
static_assert(same(ScatterOp::max, ACCEL_SCATTER_MAX));

static_assert(sizeof(ResizeTap) == sizeof(accel_resize_tap));

static_assert(same(Priority::low, 0) && same(Priority::urgent, ACCEL_PRIORITIES - 1));
static_assert(max_rank == ACCEL_RANK_MAX);

static_assert(sizeof(CompletionRecord) == sizeof(accel_completion_record) &&
              alignof(CompletionRecord) == 32);
static_assert(offsetof(CompletionRecord, sequence) == offsetof(accel_completion_record, sequence));
static_assert(offsetof(CompletionRecord, status) == offsetof(accel_completion_record, status));
static_assert(offsetof(CompletionRecord, list_index) ==
              offsetof(accel_completion_record, list_index));
static_assert(offsetof(CompletionRecord, start) == offsetof(accel_completion_record, start));
static_assert(offsetof(CompletionRecord, end) == offsetof(accel_completion_record, end));

}  // namespace

}  // namespace accel
