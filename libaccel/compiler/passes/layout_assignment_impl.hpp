// SPDX-License-Identifier: Apache-2.0
//
// The class of layout assignment. layout_assignment.cpp has slots, copies, views and element-wise
// instructions; layout_assignment_engines.cpp has the instructions of all other engines, and
// layout_assignment_regions.cpp those of loops and branches.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "ir/command_plan.hpp"
#include "ir/program.hpp"
#include "ir/tensor_layout.hpp"

namespace accel::compiler {

// The properties of a command that memory planning uses, as in CommandTemplate.
struct CommandTraits {
    std::array<bool, max_sources> in_place{};
    bool is_copy = false;
    bool is_assign = false;
};

class LayoutAssignment {
  public:
    explicit LayoutAssignment(const Program& program);

    CommandPlan run(std::ostream* log);

  private:
    [[nodiscard]] const Dims& dims(ValueId id) const { return program_.values[id].dims; }
    [[nodiscard]] DataType type(ValueId id) const { return program_.values[id].type; }

    // ---- slots

    [[nodiscard]] int add_slot(BufferSlot slot);
    [[nodiscard]] int output_slot(std::uint32_t index);
    [[nodiscard]] int weights_slot(Constant data);
    [[nodiscard]] TensorView constant_view(const Constant& constant);

    [[nodiscard]] TensorView allocate_scratch(DataType element, const Dims& shape,
                                              const DimOrder& order);

    // Memory for the result of an instruction. An output of the model in row-major order is
    // written to its final location at once.
    [[nodiscard]] TensorView allocate_result(ValueId id, const DimOrder& order);

    // Copies an output to its final location, unless it is there already.
    void finish_output(ValueId id, std::uint32_t index);

    const TensorView& view_of(ValueId id);

    [[nodiscard]] BufferRef buffer_ref(const TensorView& at, DataType element) const;
    // A reference `by` elements behind the first of a view.
    [[nodiscard]] BufferRef offset_ref(TensorView at, std::int64_t by, DataType element) const;

    void emit(AnyCommand command, BufferRef dst, BufferRefs src, CommandTraits traits = {});

    // ---- copies

    void copy(const TensorView& from, const TensorView& to, const Dims& shape, DataType element);

    TensorView copy_to_scratch(const TensorView& from, const Dims& shape, DataType element,
                               const DimOrder& order);

    // The elements of a value, dense in this order; a copy where needed.
    TensorView dense_in_order(ValueId id, const DimOrder& order);
    TensorView dense(ValueId id) { return dense_in_order(id, row_major(dims(id).size())); }

    const Constant& permuted_constant(const Constant& constant, const DimOrder& order);

    // The order of a value's dimensions in memory if it is dense, else row-major.
    DimOrder dense_order(ValueId id);

    // ---- views

    void lower(const op::Permute& permute, const Instruction& instruction);
    void lower(const op::Slice& slice, const Instruction& instruction);
    void lower(const op::Broadcast&, const Instruction& instruction);
    void lower(const op::Reshape&, const Instruction& instruction);

    // The strides of an operand that broadcasts to `shape`.
    Dims broadcast_strides(ValueId id, const TensorView& at, const Dims& shape) const;

    // ---- element-wise

    void lower(const op::Elementwise& operation, const Instruction& instruction);

    // ---- along an axis: any dense order is possible, and the result has the same order

    struct AxisLoops {
        DimOrder order;
        std::uint32_t outer;
        std::uint32_t n;
        std::uint32_t inner;
    };
    AxisLoops axis_loops(ValueId id, std::size_t axis);

    // The f32 operand and the result of an instruction along an axis.
    struct AxisOperands {
        AxisLoops loops;
        TensorView from;
        TensorView to;
    };
    AxisOperands axis_operands(const Instruction& instruction, std::size_t axis);

    void require_f32(ValueId id) const;

    void lower(const op::Reduce& reduce, const Instruction& instruction);
    void lower(const op::Softmax& softmax, const Instruction& instruction);
    void lower(const op::Resize& resize, const Instruction& instruction);
    void lower(const op::Gather& gather, const Instruction& instruction);
    void lower(const op::Scatter& scatter, const Instruction& instruction);

    // ---- parts of a larger tensor

    void lower(const op::Concat& concat, const Instruction& instruction);
    void lower(const op::Pad& pad, const Instruction& instruction);

    // ---- products

    // An operand of a product as GEMM addresses it.
    struct MatrixView {
        TensorView view;
        Dims batch;  // strides
        std::int64_t leading;
        bool transposed;
    };
    MatrixView matrix_view(ValueId id, const Dims& shape);

    // The loops of a product over its batch dimensions, and the GEMM of each iteration.
    struct BatchedGemm {
        Gemm command;
        LoopNest loops;  // strides of the result, a, and b
    };
    BatchedGemm batched_gemm(const op::MatMul& product, const Instruction& instruction,
                             const MatrixView& a, const MatrixView& b, const TensorView& to) const;

    void lower(const op::MatMul& product, const Instruction& instruction);

    // An operand of an attention whose rows are contiguous; a copy where needed.
    struct HeadsView {
        TensorView view;
        HeadStrides strides;
    };
    HeadsView heads_view(ValueId id, const Dims& shape);
    void lower(const op::Attention& attention, const Instruction& instruction);

    // ---- images

    // An image as CONV2D and POOL address it.
    struct ImageView {
        TensorView view;
        ImageLayout layout;
    };
    // The image in its present layout if the engine supports that, else a copy.
    ImageView image_view(ValueId id);
    ImageView allocate_image(ValueId id);

    void lower(const op::Conv& conv, const Instruction& instruction);
    void lower(const op::Pool& pool, const Instruction& instruction);

    // ---- loops and branches

    void lower(const op::LoopBegin& loop, const Instruction& instruction);
    void lower(const op::BranchBegin& branch, const Instruction& instruction);
    void lower(const op::RegionEnd&, const Instruction& instruction);
    void lower(const op::Variable& variable, const Instruction& instruction);
    void lower(const op::Assign&, const Instruction& instruction);
    void lower(const op::StepRead& read, const Instruction& instruction);
    void lower(const op::StepWrite& write, const Instruction& instruction);

    void begin_region();
    // Copies values of a loop that the region reads slice by slice, if they need another layout.
    void prepare_step_reads();
    // Whether an instruction of the region uses the number of the pass as a value.
    [[nodiscard]] bool uses_pass(ValueId pass) const;
    // Copies the values of the assignments from here on that another one of them would overwrite.
    void stage_assignments();
    // The slice of a tensor whose number is the pass.
    struct Step {
        std::size_t axis;
        bool reversed;
        Access access;
    };
    [[nodiscard]] TensorView step_slice(const TensorView& of, const Dims& shape, DataType element,
                                        const Step& step);

    const Program& program_;
    CommandPlan plan_;
    std::vector<std::optional<TensorView>> views_;  // of each value, once it is known
    // The results of dense_in_order().
    std::map<std::pair<ValueId, DimOrder>, std::optional<TensorView>> ordered_;
    // The results of permuted_constant(), by the elements, shape and order. They keep the
    // constants.
    std::map<std::tuple<const void*, Dims, DimOrder>, std::pair<Constant, Constant>> permuted_;
    std::set<const void*> direct_;  // constants that are read in the order that they have
    std::map<ValueId, std::uint32_t> output_of_;
    std::map<std::uint32_t, bool> written_outputs_;  // outputs that are in their final location
    std::string node_;
    std::size_t at_ = 0;  // the instruction that is lowered
    // For each open region the copies that were made before it. Others end with the region.
    std::vector<std::set<std::pair<ValueId, DimOrder>>> kept_;
    std::map<ValueId, TensorView> staged_;  // values of assignments that were copied
};

}  // namespace accel::compiler
