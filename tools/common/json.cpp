// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace accel::tools {

using Tree = nlohmann::ordered_json;

struct JsonConverter {
    static Tree to_tree(const Json& json) {
        switch (json.kind_) {
            case Json::Kind::null:
                return nullptr;
            case Json::Kind::boolean:
                return json.boolean();
            case Json::Kind::integer:
                return json.integer_.is_signed
                           ? Tree(static_cast<std::int64_t>(json.integer_.value))
                           : Tree(json.integer_.value);
            case Json::Kind::real:
                return json.real_;
            case Json::Kind::string:
                return json.text_;
            case Json::Kind::array: {
                Tree tree = Tree::array();
                for (const Json& element : json.elements_) {
                    tree.push_back(to_tree(element));
                }
                return tree;
            }
            case Json::Kind::object:
                break;
        }
        Tree tree = Tree::object();
        for (std::size_t i = 0; i < json.names_.size(); ++i) {
            tree[json.names_[i]] = to_tree(json.elements_[i]);
        }
        return tree;
    }

    static Json from_tree(const Tree& tree) {
        if (tree.is_boolean()) {
            return tree.get<bool>();
        }
        if (tree.is_number_unsigned()) {
            return tree.get<std::uint64_t>();
        }
        if (tree.is_number_integer()) {
            return tree.get<std::int64_t>();
        }
        if (tree.is_number()) {
            return tree.get<double>();
        }
        if (tree.is_string()) {
            return tree.get<std::string>();
        }
        Json json;
        if (tree.is_array()) {
            json = Json::array();
            for (const Tree& element : tree) {
                json.push_back(from_tree(element));
            }
        } else if (tree.is_object()) {
            json = Json::object();
            for (const auto& [name, value] : tree.items()) {
                json[name] = from_tree(value);
            }
        }
        return json;
    }
};

Json::Json(bool value)
    : kind_(Kind::boolean), integer_{.value = value ? 1U : 0U, .is_signed = false} {}
Json::Json(double value) : kind_(Kind::real), real_(value) {}
Json::Json(std::string value) : kind_(Kind::string), text_(std::move(value)) {}
Json::Json(std::initializer_list<Member> members) : kind_(Kind::object) {
    for (const Member& member : members) {
        (*this)[member.name] = member.value;
    }
}
Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json Json::array() {
    Json json;
    json.kind_ = Kind::array;
    return json;
}

Json Json::object() {
    Json json;
    json.kind_ = Kind::object;
    return json;
}

void Json::push_back(Json value) {
    elements_.push_back(std::move(value));
}

Json& Json::operator[](std::string_view name) {
    kind_ = kind_ == Kind::null ? Kind::object : kind_;
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) {
        return elements_[static_cast<std::size_t>(found - names_.begin())];
    }
    names_.emplace_back(name);
    return elements_.emplace_back();
}

Json& Json::operator[](std::size_t index) {
    return elements_.at(index);
}

void Json::append(const Json& other) {
    for (std::size_t i = 0; i < other.names_.size(); ++i) {
        (*this)[other.names_[i]] = other.elements_[i];
    }
}

const Json& Json::at(std::string_view name) const {
    static const Json missing;
    const auto found = std::find(names_.begin(), names_.end(), name);
    return found == names_.end() ? missing
                                 : elements_[static_cast<std::size_t>(found - names_.begin())];
}

double Json::number() const {
    if (kind_ == Kind::integer) {
        return integer_.is_signed ? static_cast<double>(static_cast<std::int64_t>(integer_.value))
                                  : static_cast<double>(integer_.value);
    }
    return kind_ == Kind::real ? real_ : 0.0;
}

std::string Json::dump(bool line) const {
    return JsonConverter::to_tree(*this).dump(line ? -1 : 2, ' ', false,
                                              Tree::error_handler_t::replace);
}

Json Json::parse(std::string_view text) {
    try {
        return JsonConverter::from_tree(Tree::parse(text));
    } catch (const Tree::exception& error) {
        throw std::runtime_error(error.what());
    }
}

}  // namespace accel::tools
