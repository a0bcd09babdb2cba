// SPDX-License-Identifier: Apache-2.0
//
// Checking and encoding commands. What is found here would be found by the card, too, but later,
// and it would stop the queue.
#include "accel/command.hpp"

#include <accel_hw.h>

#include <algorithm>
#include <bit>
#include <string>

#include "command_access.hpp"
#include "errors.hpp"

namespace accel {

namespace detail {

std::string Name::text() const {
    if (type_ == nullptr) {
        return "argument " + std::to_string(argument_);
    }
    return field_ == nullptr ? type_ : std::string(type_) + "::" + field_;
}

namespace {

constexpr std::uint64_t address_space = 1ULL << ACCEL_VA_BITS;
constexpr std::uint32_t f32_bytes = 4;

bool allows(Access granted, Access wanted) {
    return (static_cast<unsigned>(wanted) & ~static_cast<unsigned>(granted)) == 0;
}

const char* to_text(Access access) {
    switch (access) {
        case Access::read:
            return "read";
        case Access::write:
            return "write";
        case Access::read_write:
            break;
    }
    return "read and write";
}

// Arithmetic on sizes that may be anything: what passes the address space is an error.
[[noreturn]] void throw_too_far(Name name) {
    throw_invalid(name.text() + " passes the card's address space of 2^48 bytes");
}

std::uint64_t product(std::uint64_t a, std::uint64_t b, Name name) {
    std::uint64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b, Name name) {
    std::uint64_t result = 0;
    if (__builtin_add_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

// Bytes from the first to the end of the last of `rows` rows.
std::uint64_t extent(std::uint64_t rows, std::uint64_t stride, std::uint64_t row, Name name) {
    if (rows == 0 || row == 0) {
        return 0;
    }
    return sum(product(rows - 1, stride, name), row, name);
}

// Bytes of a matrix as it is stored.
std::uint64_t matrix(std::uint64_t rows, std::uint64_t columns, std::uint64_t leading,
                     std::uint64_t element, Name name) {
    if (leading < columns) {
        throw_invalid(name.text() + " has rows of " + std::to_string(columns) +
                      " elements that are only " + std::to_string(leading) + " apart");
    }
    return extent(rows, leading * element, columns * element, name);
}

// Bytes of a dense tensor.
std::uint64_t tensor(std::uint32_t outer, std::uint32_t n, std::uint32_t inner,
                     std::uint32_t element, Name name) {
    return product(product(product(outer, n, name), inner, name), element, name);
}
std::uint64_t tensor(std::uint32_t outer, std::uint32_t n, std::uint32_t inner, Name name) {
    return tensor(outer, n, inner, f32_bytes, name);
}

void check_element(std::uint32_t bytes, Name name) {
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
        throw_invalid(name.text() + " is 1, 2, 4 or 8 bytes");
    }
}

// Checked by both, so that a number without a meaning is told before the card refuses it.
template <typename T>
void set_activation(T& params, Activation activation, float alpha, float beta, const char* type) {
    const bool first = activation == Activation::clip || activation == Activation::leaky_relu ||
                       activation == Activation::hard_sigmoid || activation == Activation::elu;
    const bool second = activation == Activation::clip || activation == Activation::hard_sigmoid;
    if ((!first && alpha != 0) || (!second && beta != 0)) {
        throw_invalid(std::string(type) + "::" + (first ? "beta" : "alpha") +
                      " has no meaning for this activation: leave it zero");
    }
    params.activation = static_cast<std::uint8_t>(activation);
    // Minus zero is no zero to the card.
    params.alpha = first ? std::bit_cast<std::uint32_t>(alpha) : 0;
    params.beta = second ? std::bit_cast<std::uint32_t>(beta) : 0;
}

accel_numbers to_raw(const Numbers& numbers, Name name) {
    const auto integer = [](Type type) { return type == Type::i8 || type == Type::u8; };
    const auto real = [](Type type) {
        return type == Type::f32 || type == Type::bf16 || type == Type::f16;
    };
    const auto zero = [&](Type type, std::int16_t value) {
        const bool fits = type == Type::i8   ? value >= -128 && value <= 127
                          : type == Type::u8 ? value >= 0 && value <= 255
                                             : value == 0;
        if (!fits) {
            throw_invalid(name.text() + " has a zero point that its type does not hold");
        }
        return static_cast<std::uint8_t>(value);
    };
    const bool bytes = integer(numbers.a) && integer(numbers.b) && !numbers.add &&
                       (numbers.requantise ? integer(numbers.result) || numbers.result == Type::f32
                                           : numbers.result == Type::i32);
    const bool floats = real(numbers.a) && real(numbers.b) && real(numbers.result) &&
                        !numbers.requantise && (!numbers.add || numbers.result == Type::f32);
    if (!bytes && !floats) {
        throw_invalid(name.text() +
                      " combines types that the card does not: floats give floats; i8 and u8 give "
                      "i32, or with requantise f32, i8 or u8");
    }
    accel_numbers raw{};
    raw.src1_type = static_cast<std::uint8_t>(numbers.b);
    raw.dst_type = static_cast<std::uint8_t>(numbers.result);
    raw.src0_zero = zero(numbers.a, numbers.a_zero);
    raw.src1_zero = zero(numbers.b, numbers.b_zero);
    raw.dst_zero = zero(numbers.result, numbers.result_zero);
    return raw;
}

// What the bias operand holds for a channel.
std::uint32_t channel_bytes(const Numbers& numbers) {
    return numbers.requantise ? sizeof(accel_channel) : f32_bytes;
}

std::uint32_t to_u32(std::uint64_t value, Name name) {
    if (value > UINT32_MAX) {
        throw_invalid(name.text() + " does not fit 32 bits");
    }
    return static_cast<std::uint32_t>(value);
}

// Collects one command: its 64 bytes, its parameters, and what it touches.
class Encoder {
  public:
    Encoder(Command& command, const char* type, std::uint8_t opcode)
        : command_(command), type_(type) {
        raw_.opcode = opcode;
    }

    [[nodiscard]] accel_command& raw() { return raw_; }
    [[nodiscard]] Name name(const char* field) const { return {type_, field}; }

    [[nodiscard]] std::uint64_t use(const char* field, const Operand& operand, std::uint64_t bytes,
                                    Access access, std::uint32_t alignment) {
        CommandAccess::Use use{operand, bytes, alignment, access};
        check_operand(operand, use, name(field));
        CommandAccess::add(command_, std::move(use));
        return encoded_address(operand);
    }

    template <typename T>
    void params(const T& block) {
        static_assert(sizeof(T) <= CommandAccess::max_params);
        std::memcpy(CommandAccess::params(command_).data(), &block, sizeof(T));
        CommandAccess::params_size(command_) = sizeof(T);
        raw_.tensor.params_size = sizeof(T);
    }

    void finish() {
        static_assert(sizeof(raw_) == ACCEL_COMMAND_SIZE);
        std::memcpy(CommandAccess::words(command_).data(), &raw_, sizeof(raw_));
    }

  private:
    Command& command_;
    const char* type_;
    accel_command raw_{};
};

void encode_semaphore(Command& command, const char* type, std::uint8_t opcode, const Operand& word,
                      std::uint64_t value, Access access) {
    Encoder encoder(command, type, opcode);
    encoder.raw().semaphore.address = encoder.use("word", word, 8, access, 8);
    encoder.raw().semaphore.value = value;
    encoder.finish();
}

struct Strided {
    std::uint64_t bytes = 0;
    std::array<std::uint32_t, ACCEL_RANK_MAX> strides{};
};

// Strides of an element-wise operand, dense if none are given, and the bytes they reach over.
Strided strided(const Shape& shape, const Shape& given, std::uint32_t element, Name name) {
    if (!given.empty() && given.rank() != shape.rank()) {
        throw_invalid(name.text() + " has " + std::to_string(given.rank()) + " strides for " +
                      std::to_string(shape.rank()) + " dimensions");
    }
    Strided result;
    const bool nothing = std::find(shape.begin(), shape.end(), 0) != shape.end();
    std::uint64_t last = 0;
    std::uint64_t dense = 1;
    for (std::size_t i = shape.rank(); i-- > 0;) {
        const std::uint64_t stride = given.empty() ? dense : given[i];
        result.strides.at(i) = to_u32(stride, name);
        if (!nothing) {
            last = sum(last, product(shape[i] - 1, stride, name), name);
            dense = product(dense, shape[i], name);
        }
    }
    result.bytes = nothing ? 0 : product(sum(last, 1, name), element, name);
    return result;
}

accel_reduce reduce_params(std::uint8_t op, std::uint32_t outer, std::uint32_t n,
                           std::uint32_t inner) {
    accel_reduce params{};
    params.type = ACCEL_TYPE_F32;
    params.op = op;
    params.outer = outer;
    params.n = n;
    params.inner = inner;
    return params;
}

}  // namespace

void check_operand(const Operand& operand, const CommandAccess::Use& use, Name name) {
    const std::uint64_t address = CommandAccess::address(operand);
    switch (CommandAccess::kind(operand)) {
        case CommandAccess::Kind::none:
            throw_invalid(name.text() + " is not set, or its buffer is empty or was moved from");
        case CommandAccess::Kind::argument:
            if (CommandAccess::argument(operand) >= ACCEL_CALL_ARGS_MAX) {
                throw_invalid(name.text() + " is argument " +
                              std::to_string(CommandAccess::argument(operand)) +
                              ", and a call has at most " + std::to_string(ACCEL_CALL_ARGS_MAX));
            }
            if (address > ACCEL_ARG_OFFSET) {
                throw_invalid(name.text() + " has an offset of more than 48 bits");
            }
            break;
        case CommandAccess::Kind::address:
            if ((address & ACCEL_ARG_FLAG) != 0) {
                throw_invalid(name.text() +
                              " is an address with bit 63 set, which marks arguments: use arg()");
            }
            break;
        case CommandAccess::Kind::buffer:
            if (use.bytes > CommandAccess::bytes(operand)) {
                throw_invalid(name.text() + " touches " + std::to_string(use.bytes) +
                              " bytes of a buffer of " +
                              std::to_string(CommandAccess::bytes(operand)));
            }
            if (!allows(CommandAccess::access(operand), use.access)) {
                throw_invalid("the card must " + std::string(to_text(use.access)) + " " +
                              name.text() + " and may only " +
                              to_text(CommandAccess::access(operand)) +
                              " that buffer: see BufferOptions::access");
            }
            break;
    }
    if (address % use.alignment != 0) {
        throw_invalid(name.text() + " is not aligned to " + std::to_string(use.alignment) +
                      " bytes");
    }
}

void check_space(const Operand& operand, const void* space) {
    if (CommandAccess::space(operand) != nullptr && CommandAccess::space(operand) != space) {
        throw_invalid("a buffer belongs to another device than the queue or list that uses it");
    }
}

std::uint64_t encoded_address(const Operand& operand) {
    const std::uint64_t address = CommandAccess::address(operand);
    if (CommandAccess::kind(operand) == CommandAccess::Kind::argument) {
        return ACCEL_ARG(CommandAccess::argument(operand), address);
    }
    return address;
}

}  // namespace detail

using detail::Encoder;
using detail::f32_bytes;

Command::Command(const Nop& /*nop*/) {
    Encoder(*this, "Nop", ACCEL_OP_NOP).finish();
}

Command::Command(const Copy& copy) {
    Encoder encoder(*this, "Copy", ACCEL_OP_COPY);
    accel_copy& raw = encoder.raw().copy;
    raw.dst =
        encoder.use("dst", copy.dst,
                    detail::extent(copy.rows, copy.dst_stride, copy.bytes, encoder.name("dst")),
                    Access::write, 1);
    raw.src =
        encoder.use("src", copy.src,
                    detail::extent(copy.rows, copy.src_stride, copy.bytes, encoder.name("src")),
                    Access::read, 1);
    raw.bytes = copy.bytes;
    raw.dst_stride = copy.dst_stride;
    raw.src_stride = copy.src_stride;
    raw.rows = copy.rows;
    encoder.finish();
}

Command::Command(const Fill& fill) {
    Encoder encoder(*this, "Fill", ACCEL_OP_FILL);
    const std::uint32_t width = fill.pattern_bytes;
    if (width != 1 && width != 2 && width != 4 && width != 8) {
        detail::throw_invalid("Fill::pattern_bytes is 1, 2, 4 or 8, not " + std::to_string(width));
    }
    if (fill.bytes % width != 0 || fill.dst_stride % width != 0) {
        detail::throw_invalid("Fill::bytes and Fill::dst_stride are multiples of pattern_bytes");
    }
    accel_fill& raw = encoder.raw().fill;
    encoder.raw().variant = static_cast<std::uint16_t>(width);
    raw.dst =
        encoder.use("dst", fill.dst,
                    detail::extent(fill.rows, fill.dst_stride, fill.bytes, encoder.name("dst")),
                    Access::write, width);
    raw.pattern = fill.pattern;
    raw.bytes = fill.bytes;
    raw.dst_stride = fill.dst_stride;
    raw.rows = fill.rows;
    encoder.finish();
}

Command::Command(const Wait& wait) {
    detail::encode_semaphore(*this, "Wait", ACCEL_OP_WAIT, wait.word, wait.value, Access::read);
}

Command::Command(const Signal& signal) {
    detail::encode_semaphore(*this, "Signal", ACCEL_OP_SIGNAL, signal.word, signal.value,
                             Access::write);
}

Command::Command(const Gemm& gemm) {
    Encoder encoder(*this, "Gemm", ACCEL_OP_GEMM);
    const std::uint32_t a_columns = gemm.transpose_a ? gemm.m : gemm.k;
    const std::uint32_t b_columns = gemm.transpose_b ? gemm.k : gemm.n;
    accel_gemm params{};
    params.type = static_cast<std::uint8_t>(gemm.numbers.a);
    params.numbers = detail::to_raw(gemm.numbers, encoder.name("numbers"));
    detail::set_activation(params, gemm.activation, gemm.alpha, gemm.beta, "Gemm");
    params.flags = static_cast<std::uint16_t>((gemm.numbers.requantise ? ACCEL_GEMM_REQUANTISE
                                               : gemm.bias             ? ACCEL_GEMM_BIAS
                                                                       : 0) |
                                              (gemm.numbers.add ? ACCEL_GEMM_ADD : 0) |
                                              (gemm.transpose_a ? ACCEL_GEMM_TRANSPOSE_A : 0) |
                                              (gemm.transpose_b ? ACCEL_GEMM_TRANSPOSE_B : 0));
    params.m = gemm.m;
    params.n = gemm.n;
    params.k = gemm.k;
    params.lda = gemm.lda != 0 ? gemm.lda : a_columns;
    params.ldb = gemm.ldb != 0 ? gemm.ldb : b_columns;
    params.ldd = gemm.ldd != 0 ? gemm.ldd : gemm.n;

    params.batch = gemm.batch;
    params.batch_a = gemm.batch_a;
    params.batch_b = gemm.batch_b;
    params.batch_d = gemm.batch_d;
    if (gemm.batch == 0) {
        detail::throw_invalid("Gemm::batch is zero: there is nothing to multiply");
    }

    accel_tensor& raw = encoder.raw().tensor;
    const auto stored = [&](const char* field, const Operand& operand, std::uint32_t rows,
                            std::uint32_t columns, std::uint32_t leading, std::uint32_t step,
                            Type type, Access access) {
        const std::uint32_t element = size_of(type);
        const detail::Name name = encoder.name(field);
        const std::uint64_t one = detail::matrix(rows, columns, leading, element, name);
        const std::uint64_t all =
            detail::extent(gemm.batch, std::uint64_t{step} * element, one, name);
        return encoder.use(field, operand, all, access, element);
    };
    raw.dst = stored("d", gemm.d, gemm.m, gemm.n, params.ldd, gemm.batch_d, gemm.numbers.result,
                     gemm.numbers.add ? Access::read_write : Access::write);
    raw.src0 = stored("a", gemm.a, gemm.transpose_a ? gemm.k : gemm.m, a_columns, params.lda,
                      gemm.batch_a, gemm.numbers.a, Access::read);
    raw.src1 = stored("b", gemm.b, gemm.transpose_b ? gemm.n : gemm.k, b_columns, params.ldb,
                      gemm.batch_b, gemm.numbers.b, Access::read);
    if (gemm.bias || gemm.numbers.requantise) {
        raw.src2 = encoder.use("bias", gemm.bias,
                               std::uint64_t{gemm.n} * detail::channel_bytes(gemm.numbers),
                               Access::read, f32_bytes);
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Elementwise& elementwise) {
    Encoder encoder(*this, "Elementwise", ACCEL_OP_ELEMENTWISE);
    const Shape& shape = elementwise.shape;
    if (shape.empty()) {
        detail::throw_invalid("Elementwise::shape has no dimensions");
    }
    accel_elementwise params{};
    params.type = static_cast<std::uint8_t>(elementwise.type);
    if (elementwise.type != Type::f32 && elementwise.type != Type::i64) {
        detail::throw_invalid("Elementwise::type is f32 or i64: operands of others are converted");
    }
    detail::set_activation(params, elementwise.activation, elementwise.alpha, elementwise.beta,
                           "Elementwise");
    params.op = static_cast<std::uint8_t>(elementwise.op);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        params.dims[i] = detail::to_u32(shape[i], encoder.name("shape"));
    }
    const auto operand = [&](const char* field, const Operand& where, const Shape& strides,
                             __le32* out, Type type, std::uint8_t& raw_type, Access access) {
        const detail::Strided layout =
            detail::strided(shape, strides, size_of(type), encoder.name(field));
        raw_type = static_cast<std::uint8_t>(type);
        std::copy(layout.strides.begin(), layout.strides.end(), out);
        return encoder.use(field, where, layout.bytes, access, size_of(type));
    };
    accel_tensor& raw = encoder.raw().tensor;
    const Elementwise& e = elementwise;
    raw.dst = operand("dst", e.dst, e.dst_strides, params.dst_strides, e.dst_type, params.dst_type,
                      Access::write);
    raw.src0 = operand("a", e.a, e.a_strides, params.src0_strides, e.a_type, params.src0_type,
                       Access::read);
    if (e.op != ElementwiseOp::first) {
        raw.src1 = operand("b", e.b, e.b_strides, params.src1_strides, e.b_type, params.src1_type,
                           Access::read);
    } else if (e.b || !e.b_strides.empty()) {
        detail::throw_invalid("Elementwise::b is no operand of ElementwiseOp::first");
    }
    if (e.op == ElementwiseOp::select) {
        raw.src2 = operand("c", e.c, e.c_strides, params.src2_strides, e.c_type, params.src2_type,
                           Access::read);
    } else if (e.c || !e.c_strides.empty()) {
        detail::throw_invalid("Elementwise::c is an operand of ElementwiseOp::select alone");
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Softmax& softmax) {
    Encoder encoder(*this, "Softmax", ACCEL_OP_SOFTMAX);
    const std::uint64_t bytes =
        detail::tensor(softmax.outer, softmax.n, softmax.inner, encoder.name("src"));
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", softmax.dst, bytes, Access::write, f32_bytes);
    raw.src0 = encoder.use("src", softmax.src, bytes, Access::read, f32_bytes);
    encoder.params(detail::reduce_params(0, softmax.outer, softmax.n, softmax.inner));
    encoder.finish();
}

Command::Command(const Reduce& reduce) {
    Encoder encoder(*this, "Reduce", ACCEL_OP_REDUCE);
    if (reduce.n == 0) {
        detail::throw_invalid("Reduce::n is zero: there is nothing to reduce");
    }
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", reduce.dst,
                          detail::tensor(reduce.outer, 1, reduce.inner, encoder.name("dst")),
                          Access::write, f32_bytes);
    raw.src0 =
        encoder.use("src", reduce.src,
                    detail::tensor(reduce.outer, reduce.n, reduce.inner, encoder.name("src")),
                    Access::read, f32_bytes);
    encoder.params(detail::reduce_params(static_cast<std::uint8_t>(reduce.op), reduce.outer,
                                         reduce.n, reduce.inner));
    encoder.finish();
}

namespace detail {
namespace {

// Images as the card is told of them, and the bytes from their first element to the last.
struct Laid {
    accel_image shape{};
    std::uint64_t bytes = 0;
};

Laid lay(const Images& images, std::uint32_t batch, std::uint32_t element, Name name) {
    Laid laid;
    accel_image& shape = laid.shape;
    shape.height = images.height;
    shape.width = images.width;
    shape.channels = images.channels;
    shape.pixel = images.pixel != 0 ? images.pixel : images.channels;
    shape.row =
        images.row != 0 ? images.row : to_u32(std::uint64_t{shape.pixel} * shape.width, name);
    shape.image =
        images.image != 0 ? images.image : to_u32(std::uint64_t{shape.row} * shape.height, name);
    if (shape.pixel < shape.channels) {
        throw_invalid(name.text() + " has pixels of " + std::to_string(shape.channels) +
                      " channels that are only " + std::to_string(shape.pixel) + " apart");
    }
    if (batch != 0 && shape.height != 0 && shape.width != 0 && shape.channels != 0) {
        std::uint64_t elements = shape.channels;
        elements = sum(elements, product(shape.width - 1, shape.pixel, name), name);
        elements = sum(elements, product(shape.height - 1, shape.row, name), name);
        elements = sum(elements, product(batch - 1, shape.image, name), name);
        laid.bytes = product(elements, element, name);
    }
    return laid;
}

accel_window to_raw(const Window& window, const char* type) {
    if (window.height == 0 || window.width == 0 || window.stride_y == 0 || window.stride_x == 0 ||
        window.dilation_y == 0 || window.dilation_x == 0) {
        throw_invalid(std::string(type) + "::window: sizes, strides and dilations are at least 1");
    }
    accel_window raw{};
    raw.height = window.height;
    raw.width = window.width;
    raw.stride_y = window.stride_y;
    raw.stride_x = window.stride_x;
    raw.dilation_y = window.dilation_y;
    raw.dilation_x = window.dilation_x;
    raw.pad_top = window.pad_top;
    raw.pad_left = window.pad_left;
    return raw;
}

}  // namespace
}  // namespace detail

Command::Command(const Conv2d& conv) {
    Encoder encoder(*this, "Conv2d", ACCEL_OP_CONV2D);
    if (conv.groups == 0 || conv.from.channels % conv.groups != 0 ||
        conv.to.channels % conv.groups != 0) {
        detail::throw_invalid("Conv2d::groups divides the channels of both images, and " +
                              std::to_string(conv.groups) + " does not");
    }
    const detail::Laid from =
        detail::lay(conv.from, conv.batch, size_of(conv.numbers.a), encoder.name("from"));
    const detail::Laid to =
        detail::lay(conv.to, conv.batch, size_of(conv.numbers.result), encoder.name("to"));
    accel_conv2d params{};
    params.type = static_cast<std::uint8_t>(conv.numbers.a);
    params.numbers = detail::to_raw(conv.numbers, encoder.name("numbers"));
    detail::set_activation(params, conv.activation, conv.alpha, conv.beta, "Conv2d");
    params.flags = static_cast<std::uint16_t>((conv.numbers.requantise ? ACCEL_CONV2D_REQUANTISE
                                               : conv.bias             ? ACCEL_CONV2D_BIAS
                                                                       : 0) |
                                              (conv.numbers.add ? ACCEL_CONV2D_ADD : 0));
    params.batch = conv.batch;
    params.groups = conv.groups;
    params.src = from.shape;
    params.dst = to.shape;
    params.window = detail::to_raw(conv.window, "Conv2d");
    const std::uint64_t taps = std::uint64_t{conv.window.height} * conv.window.width;
    const std::uint64_t weights = detail::product(
        detail::product(
            detail::product(taps, conv.from.channels / conv.groups, encoder.name("weights")),
            conv.to.channels, encoder.name("weights")),
        size_of(conv.numbers.b), encoder.name("weights"));

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", conv.dst, to.bytes,
                          conv.numbers.add ? Access::read_write : Access::write,
                          size_of(conv.numbers.result));
    raw.src0 = encoder.use("src", conv.src, from.bytes, Access::read, size_of(conv.numbers.a));
    raw.src1 = encoder.use("weights", conv.weights, weights, Access::read, size_of(conv.numbers.b));
    if (conv.bias || conv.numbers.requantise) {
        raw.src2 =
            encoder.use("bias", conv.bias,
                        std::uint64_t{conv.to.channels} * detail::channel_bytes(conv.numbers),
                        Access::read, f32_bytes);
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Pool& pool) {
    Encoder encoder(*this, "Pool", ACCEL_OP_POOL);
    if (pool.from.channels != pool.to.channels) {
        detail::throw_invalid("Pool: source and result have the same channels");
    }
    if (pool.count_outside && pool.op != PoolOp::average) {
        detail::throw_invalid("Pool::count_outside is for averages");
    }
    const detail::Laid from = detail::lay(pool.from, pool.batch, f32_bytes, encoder.name("from"));
    const detail::Laid to = detail::lay(pool.to, pool.batch, f32_bytes, encoder.name("to"));
    accel_pool params{};
    params.type = ACCEL_TYPE_F32;
    params.op = static_cast<std::uint8_t>(pool.op);
    params.flags = pool.count_outside ? ACCEL_POOL_COUNT_OUTSIDE : 0;
    params.batch = pool.batch;
    params.src = from.shape;
    params.dst = to.shape;
    params.window = detail::to_raw(pool.window, "Pool");

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", pool.dst, to.bytes, Access::write, f32_bytes);
    raw.src0 = encoder.use("src", pool.src, from.bytes, Access::read, f32_bytes);
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Transpose& transpose) {
    Encoder encoder(*this, "Transpose", ACCEL_OP_TRANSPOSE);
    const Shape& shape = transpose.shape;
    const std::uint32_t element = transpose.element;
    if (shape.empty()) {
        detail::throw_invalid("Transpose::shape has no dimensions");
    }
    detail::check_element(element, encoder.name("element"));
    accel_transpose params{};
    params.size = static_cast<std::uint8_t>(element);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    const detail::Strided dst =
        detail::strided(shape, transpose.dst_strides, element, encoder.name("dst"));
    std::copy(dst.strides.begin(), dst.strides.end(), params.dst_strides);
    // From the first element that is read to the last.
    const detail::Name src = encoder.name("src");
    std::uint64_t below = 0;
    std::uint64_t above = 1;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        params.dims[i] = detail::to_u32(shape[i], encoder.name("shape"));
        const std::int64_t stride = transpose.src_strides.at(i);
        params.src_strides[i] = static_cast<std::uint32_t>(stride);
        if (shape[i] != 0) {
            const std::uint64_t span =
                detail::product(shape[i] - 1, static_cast<std::uint64_t>(std::abs(stride)), src);
            std::uint64_t& side = stride < 0 ? below : above;
            side = detail::sum(side, span, src);
        }
    }
    if (below > transpose.src_first) {
        detail::throw_invalid("Transpose::src_strides lead below the start of src: src_first is " +
                              std::to_string(transpose.src_first) + " and must be " +
                              std::to_string(below) + " at least");
    }
    const std::uint64_t last = detail::sum(transpose.src_first, above, src);
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", transpose.dst, dst.bytes, Access::write, element);
    raw.src0 =
        encoder.use("src", transpose.src, dst.bytes == 0 ? 0 : detail::product(last, element, src),
                    Access::read, element) +
        transpose.src_first * element;
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Gather& gather) {
    Encoder encoder(*this, "Gather", ACCEL_OP_GATHER);
    detail::check_element(gather.element, encoder.name("element"));
    if (gather.index_type != Type::i32 && gather.index_type != Type::i64) {
        detail::throw_invalid("Gather::index_type is i32 or i64");
    }
    const std::uint32_t index = size_of(gather.index_type);
    accel_gather params{};
    params.size = static_cast<std::uint8_t>(gather.element);
    params.index_type = static_cast<std::uint8_t>(gather.index_type);
    params.flags = gather.elements ? ACCEL_GATHER_ELEMENTS : 0;
    params.outer = gather.outer;
    params.n = gather.n;
    params.count = gather.count;
    params.inner = gather.inner;
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", gather.dst,
                          detail::tensor(gather.outer, gather.count, gather.inner, gather.element,
                                         encoder.name("dst")),
                          Access::write, gather.element);
    raw.src0 = encoder.use(
        "src", gather.src,
        detail::tensor(gather.outer, gather.n, gather.inner, gather.element, encoder.name("src")),
        Access::read, gather.element);
    raw.src1 = encoder.use(
        "indices", gather.indices,
        detail::tensor(gather.elements ? gather.outer : 1, gather.count,
                       gather.elements ? gather.inner : 1, index, encoder.name("indices")),
        Access::read, index);
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Resize& resize) {
    Encoder encoder(*this, "Resize", ACCEL_OP_RESIZE);
    accel_resize params{};
    params.type = ACCEL_TYPE_F32;
    params.taps = resize.taps;
    params.outer = resize.outer;
    params.n = resize.n;
    params.count = resize.count;
    params.inner = resize.inner;
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use(
        "dst", resize.dst,
        detail::tensor(resize.outer, resize.count, resize.inner, f32_bytes, encoder.name("dst")),
        Access::write, f32_bytes);
    raw.src0 = encoder.use(
        "src", resize.src,
        detail::tensor(resize.outer, resize.n, resize.inner, f32_bytes, encoder.name("src")),
        Access::read, f32_bytes);
    raw.src1 = encoder.use(
        "table", resize.table,
        detail::tensor(resize.count, resize.taps, 1, sizeof(Tap), encoder.name("table")),
        Access::read, f32_bytes);
    encoder.params(params);
    encoder.finish();
}

Command Command::raw(const std::array<std::byte, 64>& bytes) {
    Command command;
    std::memcpy(command.words_.data(), bytes.data(), bytes.size());
    return command;
}

Command Command::with_record(const Operand& record) const {
    constexpr std::uint32_t bytes = sizeof(Record);
    Command other = *this;
    accel_command raw;
    std::memcpy(&raw, words_.data(), sizeof(raw));
    if ((raw.flags & ACCEL_CMD_RECORD) != 0) {
        detail::throw_invalid("the command already has a record");
    }
    Use use{record, bytes, alignof(Record), Access::write};
    detail::check_operand(record, use, detail::Name("the record", nullptr));
    detail::CommandAccess::add(other, std::move(use));
    raw.flags |= ACCEL_CMD_RECORD;
    raw.record = detail::encoded_address(record);
    std::memcpy(other.words_.data(), &raw, sizeof(raw));
    return other;
}

}  // namespace accel
