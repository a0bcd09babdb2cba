// SPDX-License-Identifier: Apache-2.0
//
// Recognizes softmax(q k^T * scale + mask) v as exporters write it:
//
//   product:  a MatMul whose left operand is a softmax along the keys. Between them may be the
//             guard select(is_nan(x), 0, x), of a query that attends no key.
//   softmax:  of the scores, perhaps plus a mask, and perhaps select(condition, scores, -inf).
//   scores:   a MatMul, perhaps times or divided by a number of the file.
//
// Heads that a Broadcast repeats are read where they are. Constant folding computes no product and
// no softmax, so a known input has the bits of one that a run brings.
#include "passes/attention_fusion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <ostream>
#include <span>

#include "passes/pass_utils.hpp"

namespace accel::compiler {

namespace {

bool is_float(DataType type) {
    return type == DataType::f32 || type == DataType::f16 || type == DataType::bf16;
}

bool is_plain(const op::MatMul& product) {
    const op::Elementwise& epilogue = product.epilogue;
    return epilogue.activation == UnaryOp::none && is_float(product.format.a_type) &&
           is_float(product.format.b_type) && product.format.result_type == DataType::f32 &&
           !product.format.accumulate;
}

// What was found on the way from the last product to the first.
struct Match {
    ValueId q = 0;
    ValueId keys = 0;  // transposed, [..., size, keys]
    ValueId v = 0;
    std::optional<ValueId> mask;       // added to the scores
    std::optional<ValueId> condition;  // says which keys are allowed
    bool blocks = false;               // or, the other way round, which are blocked
    double scale = 1;
    bool nan_without_keys = true;
};

class AttentionFusion {
  public:
    AttentionFusion(Program& program, std::ostream* log) : p_(program), log_(log) {}

    void run() {
        remove_dead(p_);
        uses_ = count_uses(p_);
        std::vector<Instruction> old = std::move(p_.instructions);
        p_.instructions.clear();
        for (std::size_t i = 0; i < old.size(); ++i) {
            note_region(old[i]);
            if (const std::optional<Match> match = find(old[i])) {
                replace(old[i], *match);
            } else {
                append(Instruction(old[i]));
            }
        }
        remove_dead(p_);
    }

  private:
    [[nodiscard]] const Dims& dims(ValueId id) const { return p_.values[id].dims; }

    // The bodies of loops and branches are regions. An attention is within one of them.
    void note_region(const Instruction& next) {
        if (std::holds_alternative<op::LoopBegin>(next.operation) ||
            std::holds_alternative<op::BranchBegin>(next.operation)) {
            open_.push_back(++last_region_);
        } else if (std::holds_alternative<op::RegionEnd>(next.operation)) {
            open_.pop_back();
        }
    }

    void append(Instruction instruction) {
        regions_.push_back(open_.back());
        p_.values[instruction.result].producer = static_cast<int>(p_.instructions.size());
        p_.instructions.push_back(std::move(instruction));
    }

    // The instruction of the same region that computes a value.
    [[nodiscard]] const Instruction* producer(ValueId id) const {
        const int index = p_.values[id].producer;
        return index < 0 || regions_[static_cast<std::size_t>(index)] != open_.back()
                   ? nullptr
                   : &p_.instructions[static_cast<std::size_t>(index)];
    }
    // The same if only one instruction reads the value, and no output is it.
    [[nodiscard]] const Instruction* sole_producer(ValueId id) const {
        return uses_[id] == 1 ? producer(id) : nullptr;
    }
    template <typename T>
    [[nodiscard]] const T* sole(ValueId id, const Instruction*& instruction) const {
        instruction = sole_producer(id);
        return instruction == nullptr ? nullptr : std::get_if<T>(&instruction->operation);
    }

    // The number that a constant of the file holds in all its elements.
    [[nodiscard]] std::optional<double> number(ValueId id) const {
        const Value& value = p_.values[id];
        if (!value.constant || value.given || !is_float(value.type) || elements(value.dims) != 1) {
            return std::nullopt;
        }
        return value.constant->floats()[0];
    }
    [[nodiscard]] bool is_quantized(ValueId id) const { return p_.values[id].quant != nullptr; }

    [[nodiscard]] std::optional<Match> find(const Instruction& last) const {
        const auto* const product = std::get_if<op::MatMul>(&last.operation);
        if (product == nullptr || !is_plain(*product) || last.operands.size() != 2 ||
            is_quantized(last.operands[0]) || is_quantized(last.operands[1]) ||
            is_quantized(last.result)) {
            return std::nullopt;
        }
        Match match{.v = last.operands[1]};
        const Instruction* instruction = nullptr;
        const auto* const softmax = find_softmax(last.operands[0], match, instruction);
        if (softmax == nullptr || softmax->axis + 1 != dims(instruction->result).size() ||
            !find_scores(instruction->operands[0], match)) {
            return std::nullopt;
        }
        return fits(last, match) ? std::optional(match) : std::nullopt;
    }

    // The softmax, perhaps behind a guard: select(is_nan(x), 0, x), or with the opposite condition.
    [[nodiscard]] const op::Softmax* find_softmax(ValueId id, Match& match,
                                                  const Instruction*& instruction) const {
        if (const auto* const softmax = sole<op::Softmax>(id, instruction)) {
            return softmax;
        }
        const Instruction* guard = nullptr;
        const auto* const select = sole<op::Elementwise>(id, guard);
        if (select == nullptr || select->op != ElementwiseOp::select ||
            select->activation != UnaryOp::none) {
            return nullptr;
        }
        for (const std::size_t side : {0U, 1U}) {
            const ValueId x = guard->operands[side];
            const std::optional<double> other = number(guard->operands[1 - side]);
            // Reads of x: by the select, and by its condition.
            const std::optional<int> reads = nan_reads(guard->operands[2], x, side == 1);
            const Instruction* const made_by = producer(x);
            if (other == 0.0 && reads && uses_[x] == 1 + *reads && made_by != nullptr &&
                std::holds_alternative<op::Softmax>(made_by->operation)) {
                instruction = made_by;
                match.nan_without_keys = false;
                return &std::get<op::Softmax>(made_by->operation);
            }
        }
        return nullptr;
    }

    // How often a condition that says whether x is a NaN reads x; `is`: or whether it is none.
    [[nodiscard]] std::optional<int> nan_reads(ValueId condition, ValueId x, bool is) const {
        const Instruction* const made_by = producer(condition);
        const auto* const test =
            made_by == nullptr ? nullptr : std::get_if<op::Elementwise>(&made_by->operation);
        if (test == nullptr) {
            return std::nullopt;
        }
        const std::vector<ValueId>& in = made_by->operands;
        const bool inverts = test->activation == UnaryOp::logical_not;
        if (test->activation != UnaryOp::none && !inverts) {
            return std::nullopt;
        }
        if (test->op == ElementwiseOp::equal && in[0] == x && in[1] == x) {
            return inverts == is ? std::optional(2) : std::nullopt;
        }
        if (test->op == ElementwiseOp::identity && inverts) {
            return nan_reads(in[0], x, !is);
        }
        return std::nullopt;
    }

    // The scores before the softmax: perhaps a sum with a mask, and a choice by a condition.
    [[nodiscard]] bool find_scores(ValueId id, Match& match) const {
        const Instruction* instruction = nullptr;
        const auto* const x = sole<op::Elementwise>(id, instruction);
        if (x != nullptr && x->activation == UnaryOp::none) {
            if (x->op == ElementwiseOp::add && !match.mask && find_masked(*instruction, match)) {
                return true;
            }
            if (x->op == ElementwiseOp::select && !match.condition) {
                return find_selected(*instruction, match);
            }
        }
        return find_scaled(id, match);
    }

    // scores + mask
    [[nodiscard]] bool find_masked(const Instruction& sum, Match& match) const {
        for (const std::size_t side : {0U, 1U}) {
            Match found = match;
            found.mask = sum.operands[1 - side];
            if (is_float(p_.values[*found.mask].type) &&
                dims(sum.operands[side]) == dims(sum.result) &&
                find_scores(sum.operands[side], found)) {
                match = found;
                return true;
            }
        }
        return false;
    }

    // select(condition, scores, -inf), or with the opposite condition select(condition, -inf,
    // scores). A very low number blocks a key, too, if the others of its row are scores.
    [[nodiscard]] bool find_selected(const Instruction& select, Match& match) const {
        if (p_.values[select.operands[2]].type != DataType::boolean) {
            return false;
        }
        for (const std::size_t side : {0U, 1U}) {
            constexpr double low = -1e30;
            const std::optional<double> blocked = number(select.operands[1 - side]);
            if (!blocked || *blocked > low || dims(select.operands[side]) != dims(select.result)) {
                continue;
            }
            match.condition = select.operands[2];
            match.blocks = side == 1;
            return std::isinf(*blocked) ? find_scores(select.operands[side], match)
                                        : allows_a_key_in_each_row(match) &&
                                              find_scaled(select.operands[side], match);
        }
        return false;
    }

    [[nodiscard]] bool allows_a_key_in_each_row(const Match& match) const {
        const Value& condition = p_.values[*match.condition];
        if (!condition.constant || condition.given || condition.dims.empty()) {
            return false;
        }
        const std::vector<std::int64_t> elements = condition.constant->integers();
        const auto row = static_cast<std::size_t>(condition.dims.back());
        for (std::size_t first = 0; first < elements.size(); first += row) {
            const std::span keys(elements.data() + first, row);
            if (std::ranges::none_of(keys,
                                     [&](std::int64_t x) { return (x != 0) != match.blocks; })) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] bool find_scaled(ValueId id, Match& match) const {
        const Instruction* instruction = nullptr;
        if (const auto* const x = sole<op::Elementwise>(id, instruction)) {
            if (x->activation != UnaryOp::none) {
                return false;
            }
            if (x->op == ElementwiseOp::mul || x->op == ElementwiseOp::div) {
                std::optional<double> factor = number(instruction->operands[1]);
                ValueId scores = instruction->operands[0];
                if (!factor && x->op == ElementwiseOp::mul) {
                    factor = number(instruction->operands[0]);
                    scores = instruction->operands[1];
                }
                if (!factor || dims(scores) != dims(id)) {
                    return false;
                }
                match.scale = x->op == ElementwiseOp::mul ? *factor : 1 / *factor;
                return std::isfinite(static_cast<float>(match.scale)) &&
                       find_product(scores, match);
            }
        }
        return find_product(id, match);
    }

    [[nodiscard]] bool find_product(ValueId id, Match& match) const {
        const Instruction* instruction = nullptr;
        const auto* const product = sole<op::MatMul>(id, instruction);
        if (product == nullptr || !is_plain(*product) || instruction->operands.size() != 2 ||
            is_quantized(instruction->operands[0]) || is_quantized(instruction->operands[1]) ||
            is_quantized(id)) {
            return false;
        }
        match.q = instruction->operands[0];
        match.keys = instruction->operands[1];
        return true;
    }

    // Whether the shapes are those of heads of a batch, up to leading dimensions of the length 1.
    [[nodiscard]] bool fits(const Instruction& last, const Match& match) const {
        const Dims& q = dims(match.q);
        const Dims& k = dims(match.keys);
        const Dims& v = dims(match.v);
        const std::size_t rank = q.size();
        if (rank < 2 || rank > 4 || k.size() != rank || v.size() != rank ||
            elements(dims(last.result)) == 0 || v[rank - 2] != k[rank - 1] || v[rank - 2] == 0 ||
            !fits_attention(q[rank - 1], v[rank - 1])) {
            return false;
        }
        for (std::size_t i = 0; i + 2 < rank; ++i) {
            if (q[i] != k[i] || q[i] != v[i]) {
                return false;
            }
        }
        const auto broadcasts = [&](const std::optional<ValueId>& mask) {
            return !mask || dims(*mask).size() <= rank;
        };
        return broadcasts(match.mask) && broadcasts(match.condition);
    }

    // ---- building

    // The result has the type of the first operand.
    [[nodiscard]] ValueId add(Operation operation, std::vector<ValueId> operands, Dims shape,
                              const std::string& node) {
        const auto id = static_cast<ValueId>(p_.values.size());
        const DataType type = p_.values[operands[0]].type;
        p_.values.push_back({.type = type, .dims = std::move(shape), .constant = nullptr});
        append({std::move(operation), std::move(operands), id, node});
        return id;
    }
    [[nodiscard]] ValueId reshaped(ValueId id, const Dims& shape, const std::string& node) {
        return dims(id) == shape ? id : add(op::Reshape{}, {id}, shape, node);
    }
    // [batch, heads, rows, columns]: a lacking batch is 1. With three dimensions the first is the
    // batch, and each has one head.
    [[nodiscard]] static Dims four(const Dims& shape) {
        Dims result = shape;
        if (result.size() == 3) {
            result.insert(result.begin() + 1, 1);
        }
        result.insert(result.begin(), 4 - result.size(), 1);
        return result;
    }

    // The mask and the condition as one mask: booleans that allow, or numbers to add.
    [[nodiscard]] std::optional<ValueId> whole_mask(const Match& match, const std::string& node) {
        if (!match.condition) {
            return match.mask;
        }
        if (!match.mask) {
            const Dims shape = dims(*match.condition);
            return match.blocks ? add(op::Elementwise{.activation = UnaryOp::logical_not},
                                      {*match.condition}, shape, node)
                                : *match.condition;
        }
        const float value = -std::numeric_limits<float>::infinity();
        const auto blocked = static_cast<ValueId>(p_.values.size());
        p_.values.push_back(
            {.type = p_.values[*match.mask].type,
             .dims = {},
             .constant = make_constant(p_.values[*match.mask].type, {}, std::span(&value, 1))});
        const Dims shape = broadcast_dims(dims(*match.mask), dims(*match.condition));
        const ValueId first = match.blocks ? blocked : *match.mask;
        const ValueId second = match.blocks ? *match.mask : blocked;
        return add(op::Elementwise{.op = ElementwiseOp::select}, {first, second, *match.condition},
                   shape, node);
    }

    // A mask that broadcasts to the scores, as one of four dimensions with all keys in a row.
    [[nodiscard]] ValueId mask_of(ValueId mask, std::size_t rank, std::int64_t keys,
                                  const std::string& node) {
        Dims shape = dims(mask);
        shape.insert(shape.begin(), rank - shape.size(), 1);
        shape = four(shape);
        ValueId id = reshaped(mask, shape, node);
        if (shape.back() != keys) {
            shape.back() = keys;
            id = add(op::Broadcast{}, {id}, shape, node);
        }
        return id;
    }

    // The heads before a Broadcast that repeats each of them: Reshape(Broadcast(x)).
    [[nodiscard]] std::optional<ValueId> before_repeat(ValueId id) const {
        const Instruction* const reshape = producer(id);
        if (dims(id).size() != 4 || reshape == nullptr ||
            !std::holds_alternative<op::Reshape>(reshape->operation)) {
            return std::nullopt;
        }
        const ValueId wide = reshape->operands[0];
        const Instruction* const repeat = producer(wide);
        if (repeat == nullptr || !std::holds_alternative<op::Broadcast>(repeat->operation)) {
            return std::nullopt;
        }
        const Dims& from = dims(repeat->operands[0]);
        const Dims& to = dims(wide);
        const Dims& all = dims(id);
        const bool matches = from.size() == 5 && to.size() == 5 && from[2] == 1 &&
                             to[0] == all[0] && to[1] * to[2] == all[1] && to[3] == all[2] &&
                             to[4] == all[3] && from[0] == to[0] && from[1] == to[1] &&
                             from[3] == to[3] && from[4] == to[4];
        return matches ? std::optional(repeat->operands[0]) : std::nullopt;
    }

    // The same for keys, which are transposed behind the repetition, and perhaps scaled.
    [[nodiscard]] ValueId keys_of(const Match& match, const std::string& node) {
        const Dims shape = dims(match.keys);
        const std::size_t rank = shape.size();
        std::vector<std::size_t> swap(rank);
        for (std::size_t i = 0; i < rank; ++i) {
            swap[i] = i + 2 == rank ? i + 1 : i + 1 == rank ? i - 1 : i;
        }
        if (const Instruction* const turned = producer(match.keys)) {
            const auto* const permute = std::get_if<op::Permute>(&turned->operation);
            if (permute != nullptr && permute->axes == swap) {
                return turned->operands[0];
            }
        }
        Dims straight = shape;
        std::swap(straight[rank - 2], straight[rank - 1]);
        return add(op::Permute{swap}, {match.keys}, straight, node);
    }

    [[nodiscard]] ValueId without_repeat(ValueId id, std::int64_t groups, const std::string& node) {
        const auto from = before_repeat(id);
        const Dims& shape = dims(id);
        if (!from || groups == shape[1]) {
            return reshaped(id, four(shape), node);
        }
        return reshaped(*from, {shape[0], groups, shape[2], shape[3]}, node);
    }

    void replace(const Instruction& last, const Match& match) {
        if (log_ != nullptr) {
            *log_ << "  " << last.node << " becomes an attention\n";
        }
        const std::string node = last.node;
        const ValueId k = keys_of(match, node);
        const std::size_t rank = dims(match.q).size();
        const auto k_from = before_repeat(k);
        const auto v_from = before_repeat(match.v);
        std::int64_t groups = rank == 4 ? dims(k)[1] : 1;
        if (k_from && v_from && dims(*k_from)[1] == dims(*v_from)[1]) {
            groups = dims(*k_from)[1];
        }
        op::Attention attention{.scale = static_cast<float>(match.scale),
                                .nan_without_keys = match.nan_without_keys};
        const Dims q_shape = four(dims(match.q));
        std::vector<ValueId> operands{reshaped(match.q, q_shape, node),
                                      without_repeat(k, groups, node),
                                      without_repeat(match.v, groups, node)};
        if (const auto mask = whole_mask(match, node)) {
            attention.has_mask = true;
            operands.push_back(mask_of(*mask, rank, dims(operands[1])[2], node));
        }
        const Dims shape{q_shape[0], q_shape[1], q_shape[2], dims(operands[2])[3]};
        if (dims(last.result) == shape) {
            append({attention, std::move(operands), last.result, node});
            return;
        }
        const auto id = static_cast<ValueId>(p_.values.size());
        p_.values.push_back(
            {.type = p_.values[last.result].type, .dims = shape, .constant = nullptr});
        append({attention, std::move(operands), id, node});
        append({op::Reshape{}, {id}, last.result, node});
    }

    Program& p_;
    std::ostream* log_;
    std::vector<int> uses_;
    std::vector<int> regions_;  // of the instructions
    std::vector<int> open_{0};  // the regions around the next one
    int last_region_ = 0;
};

}  // namespace

void fuse_attention(Program& program, std::ostream* log) {
    AttentionFusion(program, log).run();
}

}  // namespace accel::compiler
