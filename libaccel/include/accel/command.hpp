// SPDX-License-Identifier: Apache-2.0
//
// The commands of the card as option structs, and Command, their encoded form. The data sheet
// (docs/reference/hardware.md, section 5) says what each computes, to the bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "accel/buffer.hpp"
#include "accel/shape.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
struct CommandAccess;
}

/// Stands for the i-th argument of a call in a recorded CommandList, and an offset from it.
struct Argument {
    std::uint32_t index = 0;
    std::uint64_t offset = 0;  ///< bytes
};

[[nodiscard]] constexpr Argument argument(std::uint32_t index, std::uint64_t offset = 0) noexcept {
    return {index, offset};
}

/// Where a command reads or writes: a buffer, an argument of the call, or a bare address. What
/// comes from a buffer is checked against its size and access, and the job keeps it alive. A bare
/// address is taken as it is; the card checks it.
class Operand {
  public:
    Operand() = default;  ///< not used
    template <typename T>
    Operand(const Buffer<T>& buffer)  // NOLINT(google-explicit-constructor): a buffer is an operand
        : owner_(buffer.memory_.owner),
          space_(buffer.memory_.space),
          address_(buffer.memory_.address),
          bytes_(buffer.memory_.bytes),
          access_(buffer.memory_.access),
          kind_(buffer.memory_.owner != nullptr ? Kind::buffer : Kind::none) {}
    Operand(Argument argument)  // NOLINT(google-explicit-constructor)
        : address_(argument.offset), argument_(argument.index), kind_(Kind::argument) {}
    Operand(Address address)  // NOLINT(google-explicit-constructor)
        : address_(static_cast<std::uint64_t>(address)), kind_(Kind::address) {}

    explicit operator bool() const noexcept { return kind_ != Kind::none; }

  private:
    friend struct detail::CommandAccess;

    enum class Kind : std::uint8_t { none, buffer, argument, address };

    std::shared_ptr<const void> owner_;  // as detail::Allocation::owner
    const void* space_ = nullptr;        // the device, to tell two apart
    std::uint64_t address_ = 0;          // of an argument: the offset
    std::uint64_t bytes_ = 0;            // from the address on; buffers only
    std::uint32_t argument_ = 0;
    Access access_ = Access::read_write;
    Kind kind_ = Kind::none;
};

/// What is applied to a result before it is stored; the data sheet defines each to the bit. clip,
/// leaky_relu, hard_sigmoid and elu take `alpha`, clip and hard_sigmoid `beta` as well.
enum class UnaryOp : std::uint8_t {
    none = 0,
    relu = 1,
    clip = 2,
    leaky_relu = 3,
    hard_sigmoid = 4,
    hard_swish = 5,
    abs = 6,
    neg = 7,
    sqrt = 8,
    reciprocal = 9,
    floor = 10,
    ceil = 11,
    round = 12,
    exp = 13,
    log = 14,
    sigmoid = 15,
    tanh = 16,
    erf = 17,
    gelu = 18,
    elu = 19,
    softplus = 20,
    sin = 21,
    cos = 22,
    atan = 23,
    sign = 24,
    logical_not = 25,  ///< 1 for zero, else 0
};
/// What the numbers of a tensor are. Types other than f32 need FEATURE_TENSOR of the card.
enum class DataType : std::uint8_t {
    f32 = 1,
    bf16 = 2,
    f16 = 3,
    i8 = 4,
    u8 = 5,
    i16 = 6,
    u16 = 7,
    i32 = 8,
    u32 = 9,
    i64 = 10,
    boolean = 11,  ///< a byte: zero or not
    f64 = 12,      ///< of Elementwise alone, which rounds it to f32
    u64 = 13,      ///< of Elementwise alone, which holds it to the range of i64
};

/// Bytes of an element.
[[nodiscard]] constexpr std::uint32_t size_of(DataType type) noexcept {
    switch (type) {
        case DataType::i8:
        case DataType::u8:
        case DataType::boolean:
            return 1;
        case DataType::bf16:
        case DataType::f16:
        case DataType::i16:
        case DataType::u16:
            return 2;
        case DataType::i64:
        case DataType::f64:
        case DataType::u64:
            return 8;
        default:
            return 4;
    }
}

/// first: a alone; then b is no operand. select: c != 0 ? a : b.
enum class ElementwiseOp : std::uint8_t {
    add = 0,
    sub = 1,
    mul = 2,
    div = 3,
    min = 4,
    max = 5,
    identity = 6,
    prelu = 7,
    pow = 8,
    fmod = 9,  ///< the rest has the sign of a
    mod = 10,  ///< the rest has the sign of b
    equal = 11,
    less = 12,
    less_equal = 13,
    bit_and = 14,  ///< this and the following: in i64 only
    bit_or = 15,
    bit_xor = 16,
    shift_left = 17,
    shift_right = 18,
    select = 19,
};
enum class PoolOp : std::uint8_t { max = 0, average = 1 };
enum class ReduceOp : std::uint8_t {
    sum = 0,
    max = 1,
    min = 2,
    argmax = 3,
    argmin = 4,
    product = 5,
    mean = 6
};

/// Does nothing, in its turn.
struct Nop {};

/// `rows` rows of `bytes` bytes, so many bytes apart on either side.
struct Copy {
    Operand dst = {};
    Operand src = {};
    std::uint64_t bytes = 0;
    std::uint32_t rows = 1;
    std::uint64_t dst_stride = 0;
    std::uint64_t src_stride = 0;
};

/// The low `pattern_bytes` (1, 2, 4 or 8) bytes of `pattern`, over and over.
struct Fill {
    Operand dst = {};
    std::uint64_t pattern = 0;
    std::uint32_t pattern_bytes = 4;
    std::uint64_t bytes = 0;
    std::uint32_t rows = 1;
    std::uint64_t dst_stride = 0;
};

/// Holds the queue until the 64-bit word is at least `value`.
struct Wait {
    Operand word = {};
    std::uint64_t value = 0;
};

/// Stores `value` in the 64-bit word, after all that came before it in the queue.
struct Signal {
    Operand word = {};
    std::uint64_t value = 0;
};

/// How Gemm and Conv2d treat numbers. Floats mix as they like. With i8 or u8 on both sides sums are
/// exact, and the result is i32, or f32, i8 or u8 if `requantize` is set: then the bias operand
/// holds, for each channel, an i32 that is added to the sum and an f32 that this is multiplied by.
/// A zero point is subtracted from what is read and added to what is written.
struct NumericFormat {
    DataType a = DataType::f32;  ///< of the first source
    DataType b = DataType::f32;  ///< of the second: the weights
    DataType result = DataType::f32;
    std::int16_t a_zero_point = 0;
    std::int16_t b_zero_point = 0;
    std::int16_t result_zero_point = 0;
    bool requantize = false;
    bool accumulate = false;  ///< what the result's place held is added before the activation; f32
};

/// d[m][n] = activation(sum over k of a[m][k] * b[k][n] + bias[n]), for each matrix of a batch.
struct Gemm {
    Operand d = {};
    Operand a = {};
    Operand b = {};
    Operand bias = {};  ///< n values, or none
    std::uint32_t m = 0;
    std::uint32_t n = 0;
    std::uint32_t k = 0;
    UnaryOp activation = UnaryOp::none;
    bool transpose_a = false;  ///< a is stored k x m
    bool transpose_b = false;  ///< b is stored n x k
    std::uint32_t lda = 0;     ///< elements from row to row as stored; zero: dense
    std::uint32_t ldb = 0;
    std::uint32_t ldd = 0;
    float alpha = 0;  ///< of the activation
    float beta = 0;
    NumericFormat format = {};
    std::uint32_t batch = 1;
    std::uint32_t batch_a = 0;  ///< elements from matrix to matrix; zero: the same one
    std::uint32_t batch_b = 0;
    std::uint32_t batch_d = 0;
};

/// dst[i] = activation(op(a[i], b[i])) over `shape`. Strides are in elements, one for each
/// dimension; none: dense. A stride of zero on a source broadcasts. It computes in `type`, f32 or
/// i64, and converts operands of other types.
struct Elementwise {
    ElementwiseOp op = ElementwiseOp::add;
    Operand dst = {};
    Operand a = {};
    Operand b = {};
    Shape shape = {};
    Shape dst_strides = {};
    Shape a_strides = {};
    Shape b_strides = {};
    UnaryOp activation = UnaryOp::none;
    float alpha = 0;  ///< of the activation
    float beta = 0;
    DataType type = DataType::f32;
    DataType dst_type = DataType::f32;
    DataType a_type = DataType::f32;
    DataType b_type = DataType::f32;
    Operand c = {};  ///< of ElementwiseOp::select
    Shape c_strides = {};
    DataType c_type = DataType::boolean;
};

/// Over the middle axis of a dense outer x n x inner tensor, f32; dst may be src.
struct Softmax {
    Operand dst = {};
    Operand src = {};
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t inner = 1;
};

/// Over the middle axis of a dense outer x n x inner tensor of f32. dst holds outer x inner values:
/// f32, or u32 for argmax and argmin.
struct Reduce {
    ReduceOp op = ReduceOp::sum;
    Operand dst = {};
    Operand src = {};
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t inner = 1;
};

/// dst[i] = src[i] over `shape`: a copy that permutes, takes steps, repeats or turns round. Strides
/// are in elements; `src` and `src_offset` say where element zero is.
struct Transpose {
    Operand dst = {};
    Operand src = {};
    std::uint32_t element_size = 4;  ///< bytes: 1, 2, 4 or 8
    Shape shape = {};
    Shape dst_strides = {};                            ///< none: dense
    std::array<std::int32_t, max_rank> src_strides{};  ///< as many as the shape has
    std::uint64_t src_offset = 0;                      ///< elements
};

/// dst[outer][count][inner] is src[outer][n][inner] at `indices`: count of them, or with `elements`
/// outer x count x inner. A negative index counts from the end; one out of range is an error.
struct Gather {
    Operand dst = {};
    Operand src = {};
    Operand indices = {};
    DataType index_type = DataType::i64;  ///< or i32
    bool elements = false;
    std::uint32_t element_size = 4;  ///< bytes: 1, 2, 4 or 8
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t count = 0;
    std::uint32_t inner = 1;
};

/// One of the sources of a result of Resize.
struct Tap {
    std::uint32_t index = 0;
    float weight = 0;
};

/// dst[outer][i][inner] = the sum over the taps of i of weight * src[outer][index][inner], f32.
/// `table` holds taps x count of struct Tap.
struct Resize {
    Operand dst = {};
    Operand src = {};
    Operand table = {};
    std::uint16_t taps = 1;
    std::uint32_t outer = 1;
    std::uint32_t n = 0;
    std::uint32_t count = 0;
    std::uint32_t inner = 1;
};

/// ImageLayout of a batch, the channels of a pixel next to each other. Strides are in elements;
/// zero: dense.
struct ImageLayout {
    std::uint32_t height = 1;
    std::uint32_t width = 1;
    std::uint32_t channels = 1;
    std::uint32_t pixel = 0;  ///< from one pixel to the next
    std::uint32_t row = 0;
    std::uint32_t image = 0;
};

/// What one result looks at. Padding below and to the right follows from the size of the result.
struct ConvWindow {
    std::uint16_t height = 1;
    std::uint16_t width = 1;
    std::uint16_t stride_y = 1;
    std::uint16_t stride_x = 1;
    std::uint16_t dilation_y = 1;
    std::uint16_t dilation_x = 1;
    std::uint16_t pad_top = 0;
    std::uint16_t pad_left = 0;
};

/// A convolution; with FEATURE_IMAGE of the card. Weights are dense,
/// [window.height][window.width][src_layout.channels / groups][dst_layout.channels].
struct Conv2d {
    Operand dst = {};
    Operand src = {};
    Operand weights = {};
    Operand bias = {};  ///< dst_layout.channels values, or none
    std::uint32_t batch = 1;
    std::uint32_t groups = 1;
    ImageLayout src_layout = {};
    ImageLayout dst_layout = {};
    ConvWindow window = {};
    UnaryOp activation = UnaryOp::none;
    float alpha = 0;  ///< of the activation
    float beta = 0;
    NumericFormat format = {};
};

/// The largest, or the average, of what a window sees of each channel, f32; with FEATURE_IMAGE.
struct Pool {
    PoolOp op = PoolOp::max;
    Operand dst = {};
    Operand src = {};
    std::uint32_t batch = 1;
    ImageLayout src_layout = {};
    ImageLayout dst_layout = {};
    ConvWindow window = {};
    bool count_outside = false;  ///< an average is divided by all taps, not by those inside
};

/// What the card writes for a command that asks for a record (Command::with_record()).
struct alignas(32) CompletionRecord {
    std::uint64_t sequence;    ///< as Job::sequence()
    std::uint32_t status;      ///< a CardStatus
    std::uint32_t list_index;  ///< place in the CommandList, or ~0
    std::uint64_t start;       ///< device ticks, DeviceInfo::clock_hz a second
    std::uint64_t end;
};

/// A command, checked and encoded. Made from any of the structs above, so it is seldom written out:
/// `queue.submit(accel::Fill{...})`. Kept and submitted again it costs no checks a second time.
/// The constructors throw Error(invalid_argument) with a sentence that names the field.
/// Thread-safety: a value; const members from any thread.
class ACCEL_API Command {
  public:
    // NOLINTBEGIN(google-explicit-constructor): each of these structs is a command
    Command(const Nop& nop);
    Command(const Copy& copy);
    Command(const Fill& fill);
    Command(const Wait& wait);
    Command(const Signal& signal);
    Command(const Gemm& gemm);
    Command(const Elementwise& elementwise);
    Command(const Softmax& softmax);
    Command(const Reduce& reduce);
    Command(const Conv2d& conv);
    Command(const Pool& pool);
    Command(const Transpose& transpose);
    Command(const Gather& gather);
    Command(const Resize& resize);
    // NOLINTEND(google-explicit-constructor)

    /// 64 bytes that go to the card as they are: for a card with commands that this library does
    /// not know. Nothing is checked and nothing is kept alive.
    [[nodiscard]] static Command raw(const std::array<std::byte, 64>& bytes);

    /// The command as bytes, to be kept in a file. All its operands must be arguments.
    [[nodiscard]] std::vector<std::byte> serialize() const;

    /// What serialize() gave, of this version of libaccel; throws Error(invalid_argument) if it
    /// cannot be that. The bytes may be anybody's: the card checks what they make it do.
    [[nodiscard]] static Command deserialize(std::span<const std::byte> bytes);

    /// Asks the card to write a CompletionRecord at `record` (32-byte aligned) when the command is
    /// finished.
    [[nodiscard]] Command with_record(const Operand& record) const;

  private:
    friend struct detail::CommandAccess;

    static constexpr std::size_t max_uses = 5;  // three sources, a destination, a record
    static constexpr std::size_t max_params = 144;

    // An operand, and how much of it the command touches and how.
    struct Use {
        Operand operand;
        std::uint64_t bytes = 0;
        std::uint32_t alignment = 1;
        Access access = Access::read;
    };

    Command() = default;

    alignas(16) std::array<std::uint64_t, 8> words_{};  // struct accel_command
    // Of all uses together, so that a submission looks at each once.
    const void* space_ = nullptr;  // null: any
    bool has_arguments_ = false;
    std::uint32_t resource_count_ = 0;
    std::array<const void*, max_uses> resources_{};  // owners of uses_
    std::uint32_t use_count_ = 0;
    std::uint32_t params_size_ = 0;
    std::array<Use, max_uses> uses_{};
    alignas(16) std::array<std::byte, max_params> params_{};
};

/// All of `src` to the start of `dst`.
template <typename D, typename S>
[[nodiscard]] Copy copy(const Buffer<D>& dst, const Buffer<S>& src) {
    return {.dst = dst, .src = src, .bytes = src.bytes()};
}

/// Every element of `dst` becomes `value`.
template <typename T>
[[nodiscard]] Fill fill(const Buffer<T>& dst, const std::type_identity_t<T>& value) {
    static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8,
                  "the card fills with patterns of 1, 2, 4 or 8 bytes");
    std::uint64_t pattern = 0;
    std::memcpy(&pattern, &value, sizeof(T));
    return {.dst = dst, .pattern = pattern, .pattern_bytes = sizeof(T), .bytes = dst.bytes()};
}

}  // namespace accel
