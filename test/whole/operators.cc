/* These cases compare every operator new and delete with the C++ standard. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <string>
#include <vector>

#include "check.h"
#include "pools.h"

namespace
{

const std::align_val_t wide{1024};

/* One form of operator new: its mangled name, a function that allocates by this form, and the alignment in bytes of the
 * blocks that it returns for 16 bytes or more. */
struct Form {
    const char *news;
    void *(*take)(size_t size);
    size_t alignment;
};

const Form throwing[] = {
    {"_Znwm", [](size_t size) { return ::operator new(size); }, 16},
    {"_Znam", [](size_t size) { return ::operator new[](size); }, 16},
    {"_ZnwmSt11align_val_t", [](size_t size) { return ::operator new(size, wide); }, 1024},
    {"_ZnamSt11align_val_t", [](size_t size) { return ::operator new[](size, wide); }, 1024},
};

const Form quiet[] = {
    {"_ZnwmRKSt9nothrow_t", [](size_t size) { return ::operator new(size, std::nothrow); }, 16},
    {"_ZnamRKSt9nothrow_t", [](size_t size) { return ::operator new[](size, std::nothrow); }, 16},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t", [](size_t size) { return ::operator new(size, wide, std::nothrow); }, 1024},
    {"_ZnamSt11align_val_tRKSt9nothrow_t", [](size_t size) { return ::operator new[](size, wide, std::nothrow); },
     1024},
};

struct Delete {
    const char *deletes;
    void (*give)(void *block, size_t size);
};

const Delete deletes[] = {
    {"_ZdlPv", [](void *block, size_t) { ::operator delete(block); }},
    {"_ZdaPv", [](void *block, size_t) { ::operator delete[](block); }},
    {"_ZdlPvm", [](void *block, size_t size) { ::operator delete(block, size); }},
    {"_ZdaPvm", [](void *block, size_t size) { ::operator delete[](block, size); }},
    {"_ZdlPvRKSt9nothrow_t", [](void *block, size_t) { ::operator delete(block, std::nothrow); }},
    {"_ZdaPvRKSt9nothrow_t", [](void *block, size_t) { ::operator delete[](block, std::nothrow); }},
    {"_ZdlPvSt11align_val_t", [](void *block, size_t) { ::operator delete(block, wide); }},
    {"_ZdaPvSt11align_val_t", [](void *block, size_t) { ::operator delete[](block, wide); }},
    {"_ZdlPvmSt11align_val_t", [](void *block, size_t size) { ::operator delete(block, size, wide); }},
    {"_ZdaPvmSt11align_val_t", [](void *block, size_t size) { ::operator delete[](block, size, wide); }},
    {"_ZdlPvSt11align_val_tRKSt9nothrow_t", [](void *block, size_t) { ::operator delete(block, wide, std::nothrow); }},
    {"_ZdaPvSt11align_val_tRKSt9nothrow_t",
     [](void *block, size_t) { ::operator delete[](block, wide, std::nothrow); }},
};

const size_t sizes[] = {1, 100, 4096, 16390, 262177, 5000000};

void check_is_ours(const char *name)
{
    Dl_info info;
    CHECK(dladdr(check_find(name), &info) != 0);
    const char *file = std::strrchr(info.dli_fname, '/');
    check_that(file != nullptr && std::strcmp(file, "/libsockmalloc.so") == 0, name, __FILE__, __LINE__);
}

/* operator new and operator delete in all their forms must come from our library, although libstdc++, which defines
 * them too, is in this process. */
CASE(are_ours)
{
    for (const Form &form : throwing) {
        check_is_ours(form.news);
    }
    for (const Form &form : quiet) {
        check_is_ours(form.news);
    }
    for (const Delete &form : deletes) {
        check_is_ours(form.deletes);
    }
}

void check_form(const Form &form)
{
    for (size_t size : sizes) {
        for (const Delete &last : deletes) {
            uint64_t live = pools_figure("live");
            void *block = check_hide(form.take(size));
            CHECK(block != nullptr);
            CHECK_EQUAL(reinterpret_cast<uintptr_t>(block) % (size < 16 ? 8 : form.alignment), 0);
            CHECK_EQUAL(pools_own(block), size >= 4096 && size <= POOLS_LARGEST);
            std::memset(block, 0x42, size);
            last.give(block, size);
            CHECK_EQUAL(pools_figure("live"), live);
        }
    }
}

CASE(take_and_give)
{
    for (const Form &form : throwing) {
        check_form(form);
    }
    for (const Form &form : quiet) {
        check_form(form);
    }
    for (const Delete &last : deletes) {
        last.give(nullptr, 16384);
    }
    pools_check_ledger();
}

CASE(size_zero)
{
    for (const Form &form : throwing) {
        void *first = form.take(0);
        void *second = form.take(0);
        CHECK(first != nullptr && second != nullptr && first != second);
        ::operator delete(first);
        ::operator delete(second);
    }
}

const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 2 + 1, PTRDIFF_MAX};

CASE(throws_bad_alloc)
{
    std::set_new_handler(nullptr);
    for (const Form &form : throwing) {
        for (size_t size : impossible) {
            bool thrown = false;
            try {
                check_hide(form.take(check_hide_size(size)));
            } catch (const std::bad_alloc &) {
                thrown = true;
            }
            CHECK(thrown);
        }
    }
}

CASE(nothrow_gives_null)
{
    std::set_new_handler(nullptr);
    for (const Form &form : quiet) {
        for (size_t size : impossible) {
            CHECK(check_hide(form.take(check_hide_size(size))) == nullptr);
        }
    }
}

int handler_calls;

/* A new-handler that removes itself at its third call. operator new then throws std::bad_alloc. */
void give_up_after_three()
{
    if (++handler_calls == 3) {
        std::set_new_handler(nullptr);
    }
}

CASE(handler_is_called_again_and_again)
{
    for (const Form &form : throwing) {
        handler_calls = 0;
        std::set_new_handler(give_up_after_three);
        bool thrown = false;
        try {
            check_hide(form.take(check_hide_size(SIZE_MAX)));
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK_EQUAL(handler_calls, 3);
    }
    for (const Form &form : quiet) {
        handler_calls = 0;
        std::set_new_handler(give_up_after_three);
        CHECK(check_hide(form.take(check_hide_size(SIZE_MAX))) == nullptr);
        CHECK_EQUAL(handler_calls, 3);
    }
}

struct Stop {
    int reason;
};

void throw_stop()
{
    throw Stop{17};
}

/* The new-handler throws an exception. The exception must pass through the library's stack frames to the caller of
 * operator new. */
CASE(handler_may_throw)
{
    std::set_new_handler(throw_stop);
    for (const Form &form : throwing) {
        int reason = 0;
        try {
            check_hide(form.take(check_hide_size(SIZE_MAX)));
        } catch (const Stop &stop) {
            reason = stop.reason;
        }
        CHECK_EQUAL(reason, 17);
    }
    std::set_new_handler(nullptr);
}

/* The blocks that the new-handler frees in the case handler_may_release. The runner limits the address space there, so
 * that operator new runs out of memory. */
std::vector<void *> *reserve;

void release_reserve()
{
    handler_calls++;
    CHECK(!reserve->empty());
    for (void *block : *reserve) {
        std::free(block);
    }
    reserve->clear();
}

/* After the new-handler has freed memory, operator new serves the request that had failed. */
CASE(handler_may_release)
{
    const size_t huge = size_t{48} << 20;
    std::vector<void *> blocks;
    std::vector<void *> taken;
    blocks.reserve(1000);
    taken.reserve(1000);
    reserve = &blocks;
    for (void *block; blocks.size() < 1000 && (block = std::malloc(huge)) != nullptr;) {
        blocks.push_back(block);
    }
    CHECK(!blocks.empty() && blocks.size() < 1000);
    handler_calls = 0;
    std::set_new_handler(release_reserve);
    void *block = ::operator new(huge);
    CHECK(block != nullptr);
    CHECK_EQUAL(handler_calls, 1);
    ::operator delete(block);
    std::set_new_handler(nullptr);
}

/* Uses new and delete expressions and the containers of the C++ library, instead of calling the operators by name. */
CASE(expressions_and_containers)
{
    struct alignas(512) Wide {
        char bytes[8192];
    };
    uint64_t live = pools_figure("live");
    Wide *one = new Wide;
    Wide *many = new Wide[5];
    CHECK(pools_own(check_hide(one)) && pools_own(check_hide(many)));
    CHECK_EQUAL(reinterpret_cast<uintptr_t>(one) % 512, 0);
    delete one;
    delete[] many;
    {
        std::string text(100000, 'x');
        std::vector<int> numbers(50000, 7);
        CHECK(pools_own(text.data()) && pools_own(numbers.data()));
        text += text;
        CHECK_EQUAL(text.size(), 200000);
    }
    CHECK_EQUAL(pools_figure("live"), live);
}

} // namespace
