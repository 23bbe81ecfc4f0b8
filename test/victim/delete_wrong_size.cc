/* Harmless misuse: passes a wrong size to operator delete. Arguments: SIZE of the block, WRONG SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <new>

#include "victim.h"

namespace
{

/* Returns the block's address as a number, because the compiler would warn of a pointer that is used after its block
 * was deleted. */
uintptr_t remember(void *block)
{
    return reinterpret_cast<uintptr_t>(block);
}

/* Allocates `size` bytes, and checks that the result is the deleted block. This shows that delete has used the block's
 * address and not the wrong size. */
void require_back(size_t size, uintptr_t block)
{
    void *again = ::operator new(size);
    victim_require(remember(again) == block, "the block went elsewhere");
    ::operator delete(again);
}

} // namespace

int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    size_t wrong = victim_number(argc, argv, 2);
    const std::align_val_t bad{64};

    void *block = ::operator new(size);
    uintptr_t known = remember(block);
    ::operator delete(block, wrong);
    require_back(size, known);

    block = ::operator new[](size);
    known = remember(block);
    ::operator delete[](block, wrong);
    require_back(size, known);

    block = ::operator new(size);
    known = remember(block);
    ::operator delete(block, wrong, bad);
    require_back(size, known);

    block = victim_take(size);
    known = remember(block);
    ::operator delete[](block, wrong, bad);
    require_back(size, known);
    return EXIT_SUCCESS;
}
