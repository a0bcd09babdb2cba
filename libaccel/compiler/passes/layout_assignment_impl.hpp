// SPDX-License-Identifier: Apache-2.0
//
// The inside of the layout stage: layout.cpp has stores, copies, views and what looks at one
// element at a time, layout_engines.cpp the rest.
#pragma once

#include <map>
#include <optional>

#include "ir/command_plan.hpp"
#include "ir/program.hpp"
#include "ir/tensor_layout.hpp"

namespace accel::compiler {

class Layout {
  public:
    explicit Layout(const Program& program) : p_(program), places_(program.values.size()) {}

    Steps run(std::ostream* dump);

  private:
    [[nodiscard]] const Dims& dims(ValueId id) const { return p_.values[id].dims; }
    [[nodiscard]] DataType type(ValueId id) const { return p_.values[id].type; }

    [[nodiscard]] int add_store(Store store);

    [[nodiscard]] Place scratch(DataType element, const Dims& shape, const Order& order);

    // For the result of an instruction: an output of the model lies as ONNX has it.
    [[nodiscard]] Place fresh(ValueId id, const Order& order);

    [[nodiscard]] int output_store(std::uint32_t index);

    void finish_output(ValueId id, std::uint32_t index);

    [[nodiscard]] int weights(Constant data);

    const Place& place(ValueId id);

    [[nodiscard]] Ref ref(const Place& at, DataType element) const;

    void emit(AnyCommand command, Ref dst, std::array<Ref, 3> src,
              std::array<bool, 3> in_place = {}, bool is_copy = false);

    // ---- copies

    void copy(const Place& from, const Place& to, const Dims& shape, DataType element);

    Place copied(const Place& from, const Dims& shape, DataType element, const Order& order);

    // Elements without gaps, in this order.
    Place in_order(ValueId id, const Order& order);
    Place dense(ValueId id) { return in_order(id, row_major(dims(id).size())); }

    static Constant turned(const Tensor& tensor, const Order& order);

    // The order it lies in if it lies without gaps, else row-major.
    Order natural(ValueId id);

    // ---- views

    void lower(const Permute& permute, const Instruction& x);

    void lower(const Take& take, const Instruction& x);

    void lower(const Broadcast&, const Instruction& x);

    void lower(const Reshape&, const Instruction& x);

    // Strides of an operand that broadcasts to `shape`.
    Dims spread(ValueId id, const Place& at, const Dims& shape) const;

    // ---- element-wise

    void lower(const Map& map, const Instruction& x);

    // ---- along an axis: any order without gaps will do, the result has the same

    struct Along {
        Order order;
        std::uint32_t outer;
        std::uint32_t n;
        std::uint32_t inner;
    };
    Along along(ValueId id, std::size_t axis);

    void need_f32(ValueId id) const;

    void lower(const Reduction& reduction, const Instruction& x);

    void lower(const SoftMax& softmax, const Instruction& x);

    void lower(const Interpolate& resize, const Instruction& x);

    void lower(const Pick& pick, const Instruction& x);

    // ---- parts of a larger tensor

    void lower(const Join& join, const Instruction& x);

    void lower(const compiler::Pad& pad, const Instruction& x);

    // ---- products

    void lower(const MatMul& product, const Instruction& x);

    [[nodiscard]] Ref shifted(Place at, std::int64_t by, DataType element) const;

    struct Side {
        Place place;
        Dims batch;  // strides
        std::int64_t leading;
        bool transposed;
    };
    Side side(ValueId id, const Dims& shape);

    // ---- images

    struct Laid {
        Place place;
        ImageLayout images;
    };
    // As it lies, if the engine can take that, else copied.
    Laid image(ValueId id);

    Laid result_image(ValueId id);

    void lower(const Conv& conv, const Instruction& x);

    void lower(const Pooling& pool, const Instruction& x);

    const Program& p_;
    Steps steps_;
    std::vector<std::optional<Place>> places_;
    std::map<std::pair<ValueId, Order>, std::optional<Place>> ordered_;
    std::map<ValueId, std::uint32_t> output_of_;
    std::map<std::uint32_t, bool> done_;  // outputs that are in their place
    std::string node_;
};

}  // namespace accel::compiler
