// SPDX-License-Identifier: Apache-2.0
//
// Einsum: multiplies the operands one after another, each product as a batch of matrix products.
#include <algorithm>
#include <map>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// A value and a label for each of its dimensions. The dimensions of an ellipsis have special
// labels, numbered from the last one on, so that operands of different ranks align at the end.
struct Labeled {
    ValueId value = 0;
    std::string labels;
};

constexpr char ellipsis_label = '\x7f';  // and below; none of them is a letter

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The labels of a term whose ellipsis stands for `spread` dimensions.
std::string letters(const std::string& term, std::size_t spread) {
    std::string result;
    for (std::size_t i = 0; i < term.size(); ++i) {
        if (term.compare(i, 3, "...") == 0) {
            for (std::size_t d = spread; d-- > 0;) {
                result += static_cast<char>(ellipsis_label - static_cast<char>(d));
            }
            i += 2;
        } else if (is_letter(term[i])) {
            result += term[i];
        } else {
            refuse("the term '" + term + "' of its equation has a character that is no letter");
        }
    }
    return result;
}

class Einsum {
  public:
    explicit Einsum(const Node& n) : n_(n) {}

    ValueId run() {
        std::string text = n_.text("equation");
        std::erase(text, ' ');
        const std::size_t arrow = text.find("->");
        const std::vector<std::string> terms = split(text.substr(0, arrow));
        if (terms.size() != n_.count()) {
            refuse("its equation '" + text + "' has " + std::to_string(terms.size()) +
                   " terms, and it has " + std::to_string(n_.count()) + " inputs");
        }
        std::size_t spread = 0;
        std::vector<Labeled> operands;
        std::string all_letters;
        for (std::size_t i = 0; i < terms.size(); ++i) {
            const ValueId x = n_.in(i);
            const bool open = terms[i].find("...") != std::string::npos;
            const std::size_t named = letters(terms[i], 0).size();
            if (named > n_.b.rank(x) || (!open && named != n_.b.rank(x)) ||
                n_.b.rank(x) - named > 8) {
                refuse("the term '" + terms[i] +
                       "' of its equation does not fit an input of the shape " +
                       to_string(n_.b.dims(x)));
            }
            spread = std::max(spread, n_.b.rank(x) - named);
            const std::string labels = letters(terms[i], n_.b.rank(x) - named);
            all_letters += labels;
            operands.push_back(diagonal({x, labels}));
        }
        output_ = arrow == std::string::npos ? implied(all_letters, spread)
                                             : letters(text.substr(arrow + 2), spread);
        check(operands, text);
        Labeled all = operands[0];
        for (std::size_t i = 1; i < operands.size(); ++i) {
            std::string later = output_;
            for (std::size_t k = i + 1; k < operands.size(); ++k) {
                later += operands[k].labels;
            }
            all = multiply(all, operands[i], later);
        }
        all = summed(all, output_);
        return ordered(all, output_);
    }

  private:
    static std::vector<std::string> split(const std::string& text) {
        std::vector<std::string> terms(1);
        for (const char c : text) {
            if (c == ',') {
                terms.emplace_back();
            } else {
                terms.back() += c;
            }
        }
        return terms;
    }

    // The output of an equation without an arrow: the ellipsis, and all letters that occur once.
    static std::string implied(const std::string& all, std::size_t spread) {
        std::map<char, int> counts;
        for (const char c : all) {
            ++counts[c];
        }
        std::string result = letters("...", spread);
        for (const auto& [label, count] : counts) {
            if (is_letter(label) && count == 1) {
                result += label;
            }
        }
        return result;
    }

    void check(const std::vector<Labeled>& operands, const std::string& text) const {
        for (std::size_t i = 0; i < output_.size(); ++i) {
            const bool known = std::ranges::any_of(operands, [&](const Labeled& x) {
                return x.labels.find(output_[i]) != std::string::npos;
            });
            if (!known || output_.find(output_[i]) != i) {
                refuse("the output of its equation '" + text +
                       "' has a letter that no term has, or has a letter twice");
            }
        }
    }

    [[noreturn]] static void refuse_lengths(std::int64_t a, std::int64_t b) {
        refuse("a letter of its equation stands for the lengths " + std::to_string(a) + " and " +
               std::to_string(b));
    }

    std::int64_t length(const Labeled& x, char label) const {
        const std::size_t at = x.labels.find(label);
        return at == std::string::npos ? 1 : n_.b.dims(x.value)[at];
    }

    // A letter that occurs twice in a term selects the diagonal of both dimensions.
    Labeled diagonal(Labeled x) const {
        for (std::size_t i = 0; i < x.labels.size(); ++i) {
            const std::size_t other = x.labels.find(x.labels[i], i + 1);
            if (other == std::string::npos) {
                continue;
            }
            const std::int64_t side = n_.b.dims(x.value)[i];
            if (side != n_.b.dims(x.value)[other]) {
                refuse_lengths(side, n_.b.dims(x.value)[other]);
            }
            // Both dimensions become the last one, of which the slice takes every (side + 1)th
            // element.
            std::vector<std::size_t> order;
            std::string rest;
            for (std::size_t d = 0; d < x.labels.size(); ++d) {
                if (d != i && d != other) {
                    order.push_back(d);
                    rest += x.labels[d];
                }
            }
            order.push_back(i);
            order.push_back(other);
            const char label = x.labels[i];
            const ValueId permuted = n_.b.permute(x.value, std::move(order));
            Dims dims = n_.b.dims(permuted);
            dims.pop_back();
            dims.back() = side * side;
            const ValueId flat = n_.b.reshape(permuted, dims);
            Dims step(dims.size(), 1);
            step.back() = side + 1;
            dims.back() = side;
            x = {n_.b.strided_slice(flat, Dims(dims.size(), 0), std::move(step), dims),
                 rest + label};
            return diagonal(std::move(x));
        }
        return x;
    }

    // Sums over the dimensions whose labels are not in `kept`.
    Labeled summed(const Labeled& x, const std::string& kept) const {
        std::vector<std::size_t> axes;
        std::string labels;
        Dims dims;
        for (std::size_t d = 0; d < x.labels.size(); ++d) {
            if (kept.find(x.labels[d]) == std::string::npos) {
                axes.push_back(d);
            } else {
                labels += x.labels[d];
                dims.push_back(n_.b.dims(x.value)[d]);
            }
        }
        if (axes.empty()) {
            return x;
        }
        return {n_.b.reshape(reduce(n_, ReduceOp::sum, x.value, axes), dims), labels};
    }

    // Orders the dimensions by `labels`. A label that x lacks becomes a dimension of length 1.
    ValueId ordered(const Labeled& x, const std::string& labels) const {
        std::vector<std::size_t> order;
        Dims dims;
        for (const char label : labels) {
            if (const std::size_t at = x.labels.find(label); at != std::string::npos) {
                order.push_back(at);
            }
            dims.push_back(length(x, label));
        }
        return n_.b.reshape(n_.b.permute(x.value, std::move(order)), std::move(dims));
    }

    Labeled multiply(Labeled a, Labeled b, const std::string& later) const {
        a = summed(a, later + b.labels);
        b = summed(b, later + a.labels);
        std::string batch;
        std::string rows;
        std::string inner;
        std::string columns;
        for (const char label : a.labels) {
            const bool both = b.labels.find(label) != std::string::npos;
            const bool wanted = later.find(label) != std::string::npos;
            (both ? wanted ? batch : inner : rows) += label;
        }
        for (const char label : b.labels) {
            if (a.labels.find(label) == std::string::npos) {
                columns += label;
            }
        }
        for (const char label : inner) {
            if (length(a, label) != length(b, label)) {
                refuse_lengths(length(a, label), length(b, label));
            }
        }
        const auto folded = [&](const Labeled& x, const std::string& first,
                                const std::string& second) {
            Dims dims;
            for (const char label : batch) {
                dims.push_back(length(x, label));
            }
            std::int64_t rows_length = 1;
            std::int64_t columns_length = 1;
            for (const char label : first) {
                rows_length *= length(x, label);
            }
            for (const char label : second) {
                columns_length *= length(x, label);
            }
            dims.push_back(rows_length);
            dims.push_back(columns_length);
            return n_.b.reshape(ordered(x, batch + first + second), std::move(dims));
        };
        const ValueId left = folded(a, rows, inner);
        const ValueId right = folded(b, inner, columns);
        const ValueId product = is_integer(n_.b.type(left)) ? matmul_integers(n_, left, right)
                                                            : n_.b.matmul(left, right);
        Dims dims;
        for (const char label : batch) {
            dims.push_back(std::max(length(a, label), length(b, label)));
        }
        for (const char label : rows) {
            dims.push_back(length(a, label));
        }
        for (const char label : columns) {
            dims.push_back(length(b, label));
        }
        return {n_.b.reshape(product, std::move(dims)), batch + rows + columns};
    }

    const Node& n_;
    std::string output_;
};

Values einsum(const Node& n) {
    return {n.b.cast(Einsum(n).run(), n.b.type(n.in(0)))};
}

}  // namespace

void add_einsum(OperatorTable& table) {
    table.add({{"Einsum", {12}, einsum}});
}

}  // namespace accel::compiler
