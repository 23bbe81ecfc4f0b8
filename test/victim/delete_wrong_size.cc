/* Harmless misuse: passes operator delete a size that is not the block's. Arguments: SIZE, WRONG SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <new>

#include "victim.h"

namespace
{

/* Returns the address as a number, because the compiler warns of a pointer that is used after its block was deleted. */
uintptr_t remember(void *block)
{
    return reinterpret_cast<uintptr_t>(block);
}

/* Checks that the next request of the size gets the block, which shows that delete has used the address and not the
 * wrong size. */
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
