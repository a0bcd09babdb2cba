// SPDX-License-Identifier: Apache-2.0
//
// A JSON value that keeps the order of its members. The parser and the writer are nlohmann's, and
// json.cpp alone includes its header: it takes longer to compile than most tools.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace accel::tools {

class Json {
  public:
    struct Member;

    Json() = default;  ///< null
    Json(std::nullptr_t /*null*/) {}
    Json(bool value);
    Json(double value);
    Json(std::string value);
    Json(std::string_view value) : Json(std::string(value)) {}
    Json(const char* value) : Json(std::string(value)) {}
    template <typename T>
    requires std::is_integral_v<T> Json(T value) : Json(to_integer(value)) {}
    /// Null if the optional is empty.
    template <typename T>
    Json(const std::optional<T>& value) : Json(value ? Json(*value) : Json()) {}
    /// An object: `Json{{"address", address}, {"queues", 3}}`.
    Json(std::initializer_list<Member> members);
    Json(const Json& other);
    Json(Json&& other) noexcept;
    Json& operator=(const Json& other);
    Json& operator=(Json&& other) noexcept;
    ~Json();

    [[nodiscard]] static Json array();
    [[nodiscard]] static Json object();
    template <typename Range>
    [[nodiscard]] static Json array_of(const Range& values) {
        Json all = array();
        for (const auto& value : values) {
            all.push_back(Json(value));
        }
        return all;
    }

    /// Appends to an array.
    void push_back(Json value);
    /// The member of an object; it is added if it is missing, and null becomes an object.
    Json& operator[](std::string_view name);
    Json& operator[](std::size_t index);
    /// Adds the members of another object at the end.
    void append(const Json& other);

    [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
    [[nodiscard]] bool is_number() const { return kind_ == Kind::integer || kind_ == Kind::real; }
    [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
    /// Null if there is no such member.
    [[nodiscard]] const Json& at(std::string_view name) const;
    [[nodiscard]] const std::vector<Json>& elements() const { return elements_; }
    /// Zero unless it is a number.
    [[nodiscard]] double number() const;
    /// False unless it is a boolean.
    [[nodiscard]] bool boolean() const { return kind_ == Kind::boolean && integer_.value != 0; }
    /// Empty unless it is a string.
    [[nodiscard]] const std::string& text() const { return text_; }

    /// Invalid UTF-8 is replaced. `line`: in one line, for streams.
    [[nodiscard]] std::string dump(bool line) const;
    /// Throws std::runtime_error if the text is not JSON.
    [[nodiscard]] static Json parse(std::string_view text);

  private:
    friend struct JsonConverter;
    enum class Kind : std::uint8_t { null, boolean, integer, real, string, array, object };
    struct Integer {
        std::uint64_t value = 0;
        bool is_signed = false;
    };
    template <typename T>
    static Integer to_integer(T value) {
        return {.value = static_cast<std::uint64_t>(value), .is_signed = std::is_signed_v<T>};
    }
    explicit Json(Integer value) : kind_(Kind::integer), integer_(value) {}

    Kind kind_ = Kind::null;
    Integer integer_;
    double real_ = 0;
    std::string text_;
    std::vector<std::string> names_;  ///< of an object's members, parallel to elements_
    std::vector<Json> elements_;
};

struct Json::Member {
    std::string_view name;
    Json value;
};

}  // namespace accel::tools
