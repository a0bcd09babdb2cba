// SPDX-License-Identifier: Apache-2.0
//
// The loop over the fault points of an operation, and the table of its results.
#include "failures.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "card.hpp"
#include "injection.hpp"
#include "sanity.hpp"

namespace uapi {

namespace {

constexpr int most_points = 4000;
// Checkers of the kernel sometimes allocate on their own, so one miss is not the end.
constexpr int misses_at_the_end = 3;
constexpr std::chrono::seconds release_limit{5};
constexpr std::size_t messages_shown = 10;
constexpr auto table_file = "/results/failures.txt";

std::string text_of(int error) {
    return std::generic_category().message(error);
}

/// The letter of a result in the table.
char letter(int error) {
    switch (error) {
        case 0:
            return '.';
        case ENOMEM:
            return 'M';
        case EFAULT:
            return 'F';
        case EAGAIN:
            return 'A';
        case ENOSPC:
            return 'S';
        case ENODEV:
            return 'D';
        default:
            return 'x';
    }
}

/// The results of one operation: a letter for each n, and what was wrong.
struct Row {
    std::string letters;
    std::vector<std::string> wrong;
};

class Runner {
  public:
    explicit Runner(const FailureCase& failure) : failure_(failure) {
        if (failure.compare) {
            observer_.emplace();
        }
    }

    Row run() {
        static_cast<void>(make_operation());  // lazily allocated resources are there afterwards
        const Resources base = measure();
        operation_ = make_operation();
        before_ = measure();
        int misses = 0;
        for (int n = 1; n < most_points && misses < misses_at_the_end; ++n) {
            n_ = n;
            misses = fail_nth() ? 0 : misses + 1;
        }
        operation_.reset();
        compare(base, "after the operation's objects are released");
        for (; misses > 0; --misses) {
            row_.letters.pop_back();
        }
        return row_;
    }

  private:
    /// An operation that has succeeded once.
    std::unique_ptr<Operation> make_operation() {
        auto operation = failure_.make();
        succeed(*operation, "before a failure");
        return operation;
    }

    /// Injects a failure at point n_; returns false if the operation has fewer points.
    bool fail_nth() {
        mark(failure_.name + " with point " + std::to_string(n_) + " failing");
        operation_->prepare();
        injection_.arm(n_);
        int error = operation_->attempt();
        const bool injected = injection_.disarm();
        error = operation_->finish(error);
        row_.letters += letter(error);
        if (error == 0) {
            operation_->undo();
        } else {
            if (!injected) {
                wrong("fails without an injected failure: " + text_of(error));
            } else if (!failure_.errnos.contains(error)) {
                wrong("fails with '" + text_of(error) + "'");
            }
            succeed(*operation_, "after the failure");
        }
        compare(before_, "after the failure and the next attempt");
        return injected;
    }

    void succeed(Operation& operation, const char* when) {
        operation.prepare();
        const int error = operation.finish(operation.attempt());
        if (error == 0) {
            operation.undo();
        } else {
            wrong(std::string("does not work ") + when + ": " + text_of(error));
        }
    }

    [[nodiscard]] Resources measure() const {
        return failure_.compare ? Resources::settled(&*observer_) : Resources();
    }

    void compare(const Resources& before, const char* when) {
        if (!failure_.compare || before == Resources::measure(&*observer_)) {
            return;
        }
        // The kernel releases some resources a little later.
        const auto limit = std::chrono::steady_clock::now() + release_limit;
        std::string text;
        do {
            text = before.difference(measure());
        } while (!text.empty() && std::chrono::steady_clock::now() < limit);
        if (!text.empty()) {
            wrong(std::string(when) + " differ " + text);
            if (operation_) {  // what is left is reported once
                operation_.reset();
                operation_ = make_operation();
                before_ = measure();
            }
        }
    }

    void wrong(const std::string& text) {
        row_.wrong.push_back("point " + std::to_string(n_) + ": " + text);
        mark("WRONG " + failure_.name + " " + row_.wrong.back());
    }

    const FailureCase& failure_;
    std::optional<File> observer_;
    Injection injection_;
    std::unique_ptr<Operation> operation_;
    Resources before_;
    int n_ = 0;
    Row row_;
};

/// Prints all rows at the end, and keeps them for the host.
class Table : public testing::Environment {
  public:
    static void add(const std::string& name, const Row& row) {
        std::ostringstream line;
        line << std::left << std::setw(45) << name << std::right << std::setw(4)
             << row.letters.size() << "  " << row.letters << (row.wrong.empty() ? "" : "  WRONG");
        std::cout << line.str() << std::endl;
        std::ofstream(table_file, std::ios::app) << line.str() << '\n';
    }
    void SetUp() override {
        std::ofstream(table_file, std::ios::app)
            << "Operation, number of fault points, and the result with point 1, 2, 3, ... failing:"
               "\n. success, M ENOMEM, F EFAULT, A EAGAIN, S ENOSPC, D ENODEV, x another errno\n";
    }
    void TearDown() override {
        if (std::ifstream file(table_file); file) {
            std::cout << file.rdbuf() << std::flush;
        }
    }
};

// GoogleTest owns it.
[[maybe_unused]] testing::Environment* const table =
    testing::AddGlobalTestEnvironment(new Table);  // NOLINT(cppcoreguidelines-owning-memory)

}  // namespace

std::ostream& operator<<(std::ostream& out, const FailureCase& failure) {
    return out << failure.name;
}

FailureCase with_errnos(FailureCase failure, const std::set<int>& more) {
    failure.errnos.insert(more.begin(), more.end());
    return failure;
}

FailureCase in_uring(FailureCase failure) {
    failure.has_points = false;
    return with_errnos(std::move(failure), {EAGAIN});
}

FailureCase without_comparison(FailureCase failure) {
    failure.compare = false;
    return failure;
}

std::string test_name(const testing::TestParamInfo<FailureCase>& info) {
    std::string name;
    for (const char letter : info.param.name) {
        name += std::isalnum(static_cast<unsigned char>(letter)) != 0 ? letter : '_';
    }
    return name;
}

TEST_P(Failure, IsCleanAtEveryPoint) {
    if (!can_inject()) {
        GTEST_SKIP() << "this kernel cannot inject failures";
    }
    const Row row = Runner(GetParam()).run();
    Table::add(GetParam().name, row);
    for (std::size_t i = 0; i < std::min(row.wrong.size(), messages_shown); ++i) {
        ADD_FAILURE() << row.wrong[i];
    }
    if (GetParam().has_points) {
        EXPECT_FALSE(row.letters.empty()) << "the operation has no fault point";
    }
    expect_working_card();
}

}  // namespace uapi
