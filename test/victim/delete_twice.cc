/* Misuse: deletes a block twice in a row, in C++. Arguments: SIZE, and the FORM of operator delete. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <new>

#include "victim.h"

namespace
{

/* the alignment in bytes that the aligned forms request; blocks of every bucket can have it */
const std::align_val_t alignment{256};

struct Form {
    const char *name;
    void *(*take)(size_t size);
    void (*give)(void *block, size_t size);
};

const Form forms[] = {
    {"plain", [](size_t size) { return ::operator new(size); }, [](void *block, size_t) { ::operator delete(block); }},
    {"array", [](size_t size) { return ::operator new[](size); },
     [](void *block, size_t) { ::operator delete[](block); }},
    {"sized", [](size_t size) { return ::operator new(size); },
     [](void *block, size_t size) { ::operator delete(block, size); }},
    {"array_sized", [](size_t size) { return ::operator new[](size); },
     [](void *block, size_t size) { ::operator delete[](block, size); }},
    {"nothrow", [](size_t size) { return ::operator new(size, std::nothrow); },
     [](void *block, size_t) { ::operator delete(block, std::nothrow); }},
    {"array_nothrow", [](size_t size) { return ::operator new[](size, std::nothrow); },
     [](void *block, size_t) { ::operator delete[](block, std::nothrow); }},
    {"aligned", [](size_t size) { return ::operator new(size, alignment); },
     [](void *block, size_t) { ::operator delete(block, alignment); }},
    {"array_aligned", [](size_t size) { return ::operator new[](size, alignment); },
     [](void *block, size_t) { ::operator delete[](block, alignment); }},
    {"sized_aligned", [](size_t size) { return ::operator new(size, alignment); },
     [](void *block, size_t size) { ::operator delete(block, size, alignment); }},
    {"array_sized_aligned", [](size_t size) { return ::operator new[](size, alignment); },
     [](void *block, size_t size) { ::operator delete[](block, size, alignment); }},
    {"aligned_nothrow", [](size_t size) { return ::operator new(size, alignment, std::nothrow); },
     [](void *block, size_t) { ::operator delete(block, alignment, std::nothrow); }},
    {"array_aligned_nothrow", [](size_t size) { return ::operator new[](size, alignment, std::nothrow); },
     [](void *block, size_t) { ::operator delete[](block, alignment, std::nothrow); }},
};

} // namespace

int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    const char *wanted = victim_word(argc, argv, 2);
    for (const Form &form : forms) {
        if (strcmp(form.name, wanted) == 0) {
            void *block = victim_hide(form.take(size));
            victim_announce(block);
            form.give(block, size);
            form.give(victim_hide(block), size);
            return EXIT_SUCCESS;
        }
    }
    victim_require(false, "no such form");
}
