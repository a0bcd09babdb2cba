// SPDX-License-Identifier: Apache-2.0
//
// Einsum: operands are multiplied two by two, each pair as a batch of products of matrices.
#include <algorithm>
#include <map>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;

// A value and a letter for each of its dimensions. Those of an ellipsis are counted from the last
// one on, so that they line up from behind.
struct Labelled {
    ValueId value = 0;
    std::string labels;
};

constexpr char ellipsis_label = '\x7f';  // and downwards: no letter of a formula

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The letters of a term; `spread` dimensions stand for its ellipsis.
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
            refuse("'" + term + "' is no term of an equation");
        }
    }
    return result;
}

class Einsum {
  public:
    explicit Einsum(const Node& n) : n_(n) {}

    ValueId run() {
        std::string text = n_.text("equation", "");
        std::erase(text, ' ');
        const std::size_t arrow = text.find("->");
        std::vector<std::string> terms(1);
        for (const char c : text.substr(0, arrow)) {
            if (c == ',') {
                terms.emplace_back();
            } else {
                terms.back() += c;
            }
        }
        if (terms.size() != n_.count()) {
            refuse("its equation '" + text + "' has " + std::to_string(terms.size()) +
                   " terms, and it has " + std::to_string(n_.count()) + " inputs");
        }
        std::size_t spread = 0;
        std::vector<Labelled> operands;
        std::string all_letters;
        for (std::size_t i = 0; i < terms.size(); ++i) {
            const ValueId x = n_.in(i);
            const bool open = terms[i].find("...") != std::string::npos;
            const std::size_t named = letters(terms[i], 0).size();
            if (named > n_.b.rank(x) || (!open && named != n_.b.rank(x)) ||
                n_.b.rank(x) - named > 8) {
                refuse("the term '" + terms[i] + "' does not fit " + to_string(n_.b.dims(x)));
            }
            spread = std::max(spread, n_.b.rank(x) - named);
            const std::string labels = letters(terms[i], n_.b.rank(x) - named);
            all_letters += labels;
            operands.push_back(diagonal({x, labels}));
        }
        output_ = arrow == std::string::npos ? implied(all_letters, spread)
                                             : letters(text.substr(arrow + 2), spread);
        check(operands, text);
        Labelled all = operands[0];
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
    // Without an arrow: what the ellipses have, and the letters that are there once, sorted.
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

    void check(const std::vector<Labelled>& operands, const std::string& text) const {
        for (std::size_t i = 0; i < output_.size(); ++i) {
            const bool known = std::ranges::any_of(operands, [&](const Labelled& x) {
                return x.labels.find(output_[i]) != std::string::npos;
            });
            if (!known || output_.find(output_[i]) != i) {
                refuse("its equation '" + text + "' has a result that its terms do not give");
            }
        }
    }

    std::int64_t length(const Labelled& x, char label) const {
        const std::size_t at = x.labels.find(label);
        return at == std::string::npos ? 1 : n_.b.dims(x.value)[at];
    }

    // A letter twice in a term: the elements where both indices are the same.
    Labelled diagonal(Labelled x) const {
        for (std::size_t i = 0; i < x.labels.size(); ++i) {
            const std::size_t other = x.labels.find(x.labels[i], i + 1);
            if (other == std::string::npos) {
                continue;
            }
            const std::int64_t side = n_.b.dims(x.value)[i];
            if (side != n_.b.dims(x.value)[other]) {
                refuse("a letter stands for the lengths " + std::to_string(side) + " and " +
                       std::to_string(n_.b.dims(x.value)[other]));
            }
            // Both last, as one axis of which every (side + 1)th element is taken.
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
            const ValueId turned = n_.b.permute(x.value, std::move(order));
            Dims dims = n_.b.dims(turned);
            dims.pop_back();
            dims.back() = side * side;
            const ValueId flat = n_.b.reshape(turned, dims);
            Dims step(dims.size(), 1);
            step.back() = side + 1;
            dims.back() = side;
            x = {n_.b.take(flat, Dims(dims.size(), 0), std::move(step), dims), rest + label};
            return diagonal(std::move(x));
        }
        return x;
    }

    // Sums over the dimensions whose letters are not in `kept`.
    Labelled summed(const Labelled& x, const std::string& kept) const {
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
        return {n_.b.reshape(n_.b.reduce(ReduceOp::sum, as_f32(n_, x.value), axes), dims), labels};
    }

    // The dimensions in the order of `labels`, of which those that are missing have the length 1.
    ValueId ordered(const Labelled& x, const std::string& labels) const {
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

    Labelled multiply(Labelled a, Labelled b, const std::string& later) const {
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
                refuse("a letter stands for the lengths " + std::to_string(length(a, label)) +
                       " and " + std::to_string(length(b, label)));
            }
        }
        const auto folded = [&](const Labelled& x, const std::string& first,
                                const std::string& second) {
            Dims dims;
            for (const char label : batch) {
                dims.push_back(length(x, label));
            }
            std::int64_t one = 1;
            std::int64_t two = 1;
            for (const char label : first) {
                one *= length(x, label);
            }
            for (const char label : second) {
                two *= length(x, label);
            }
            dims.push_back(one);
            dims.push_back(two);
            return n_.b.reshape(ordered(x, batch + first + second), std::move(dims));
        };
        const ValueId product = n_.b.matmul(folded(a, rows, inner), folded(b, inner, columns));
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
    return {Einsum(n).run()};
}

}  // namespace

void add_einsum(Operators& table) {
    table.insert({{"Einsum", einsum}});
}

}  // namespace accel::compiler
