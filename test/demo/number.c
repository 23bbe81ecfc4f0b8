/* Reads a number from digits and an optional k or m, and refuses numbers that are too large. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "number.h"

size_t number_read(const char *text, uint64_t largest, uint64_t *value)
{
    uint64_t result = 0;
    uint64_t unit = 1;
    size_t used = 0;

    for (; text[used] >= '0' && text[used] <= '9'; used++) {
        uint64_t digit = (uint64_t)(text[used] - '0');

        if (digit > largest || result > (largest - digit) / 10)
            return 0;
        result = result * 10 + digit;
    }
    if (used == 0)
        return 0;
    if (text[used] == 'k' || text[used] == 'm') {
        unit = text[used] == 'k' ? 1024 : 1024 * 1024;
        used++;
    }
    if (result > largest / unit)
        return 0;
    *value = result * unit;
    return used;
}

bool number_parse(const char *text, uint64_t smallest, uint64_t largest, uint64_t *value)
{
    uint64_t result;
    size_t used = number_read(text, largest, &result);

    if (used == 0 || text[used] != '\0' || result < smallest)
        return false;
    *value = result;
    return true;
}
