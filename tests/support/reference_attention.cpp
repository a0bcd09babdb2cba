// SPDX-License-Identifier: Apache-2.0
//
// ATTENTION of the reference: one query at a time.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "reference.hpp"

namespace accel::reference {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// A query of one head.
class Query {
  public:
    Query(const accel_attention& p, const AttentionOperands& from, std::size_t batch,
          std::size_t head, std::size_t index)
        : p_(p),
          from_(from),
          q_(place(p.src0_strides, batch, head, index)),
          k_(place(p.src1_strides, batch, head / (p.heads / p.key_heads), 0)),
          v_(place(p.src2_strides, batch, head / (p.heads / p.key_heads), 0)),
          mask_(place(p.mask_strides, batch, head, index)),
          length_(from.lengths.empty() ? p.keys : static_cast<std::size_t>(from.lengths[batch])),
          position_(static_cast<std::int32_t>(p.offset) + static_cast<std::int64_t>(index) +
                    (from.positions.empty() ? 0 : from.positions[batch])) {}

    [[nodiscard]] std::vector<float> result() const {
        float m = -infinity;
        float l = 0;
        bool has_keys = false;
        std::vector<float> a(p_.value_size);
        for (std::size_t first = 0; first < length_; first += ACCEL_ATTENTION_TILE) {
            const std::size_t end =
                std::min<std::size_t>(length_, first + std::size_t{ACCEL_ATTENTION_TILE});
            std::vector<float> e;
            float t = -infinity;
            for (std::size_t key = first; key < end; ++key) {
                e.push_back(score(key));
                t = maximum(t, e.back());
            }
            if (t == -infinity) {
                continue;
            }
            has_keys = true;
            const float n = maximum(m, t);
            const float f = exp(m - n);
            m = n;
            for (float& x : e) {
                x = exp(x - n);
            }
            l = std::fma(l, f, sum(e));
            for (std::size_t c = 0; c < a.size(); ++c) {
                SumOfProducts products;
                for (std::size_t key = first; key < end; ++key) {
                    products.add(e[key - first], from_.v[v_ + key * p_.src2_strides[2] + c]);
                }
                a[c] = std::fma(a[c], f, products.value());
            }
        }
        for (float& x : a) {
            x = has_keys                                ? x / l
                : (p_.flags & ACCEL_ATTENTION_NAN) != 0 ? std::numeric_limits<float>::quiet_NaN()
                                                        : 0.0F;
        }
        return a;
    }

  private:
    static std::size_t place(const __le32 (&strides)[3], std::size_t batch, std::size_t head,
                             std::size_t row) {
        return batch * strides[0] + head * strides[1] + row * strides[2];
    }

    [[nodiscard]] bool is_blocked(std::size_t key) const {
        const auto j = static_cast<std::int64_t>(key);
        return ((p_.flags & ACCEL_ATTENTION_LEFT) != 0 && j < position_ - p_.left) ||
               ((p_.flags & ACCEL_ATTENTION_RIGHT) != 0 && j > position_ + p_.right) ||
               (p_.mask_type == ACCEL_TYPE_BOOL && from_.mask[mask_ + key] == 0.0F);
    }

    [[nodiscard]] float score(std::size_t key) const {
        SumOfProducts products;
        for (std::size_t c = 0; c < p_.size; ++c) {
            products.add(from_.q[q_ + c], from_.k[k_ + key * p_.src1_strides[2] + c]);
        }
        float x = products.value() * std::bit_cast<float>(std::uint32_t{p_.scale});
        const auto cap = std::bit_cast<float>(std::uint32_t{p_.softcap});
        if (cap != 0.0F) {
            x = tanh(x / cap) * cap;
        }
        if (p_.mask_type != 0 && p_.mask_type != ACCEL_TYPE_BOOL) {
            x = x + from_.mask[mask_ + key];
        }
        return is_blocked(key) ? -infinity : x;
    }

    const accel_attention& p_;
    const AttentionOperands& from_;
    std::size_t q_;
    std::size_t k_;
    std::size_t v_;
    std::size_t mask_;
    std::size_t length_;
    std::int64_t position_;
};

}  // namespace

void attention(const accel_attention& p, const AttentionOperands& from, std::vector<float>& d) {
    for (std::size_t batch = 0; batch < p.batch; ++batch) {
        for (std::size_t head = 0; head < p.heads; ++head) {
            for (std::size_t row = 0; row < p.queries; ++row) {
                const std::vector<float> result = Query(p, from, batch, head, row).result();
                std::ranges::copy(result,
                                  d.begin() + static_cast<std::ptrdiff_t>(batch * p.dst_strides[0] +
                                                                          head * p.dst_strides[1] +
                                                                          row * p.dst_strides[2]));
            }
        }
    }
}

}  // namespace accel::reference
