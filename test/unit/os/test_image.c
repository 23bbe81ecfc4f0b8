/* Tests of os/image.c, which reads the symbols of a loaded ELF object (a program or a library): objects of each form
 * that linkers make, and damaged ones. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "os/image.h"
#include "os/os.h"
#include "support/object.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

static struct image image;

static void read_object(void)
{
    errno = UNUSUAL;
    cr_assert(image_read((uintptr_t)&object, &image));
    cr_assert_eq(errno, UNUSUAL);
}

static void expect_function(size_t at, const char *function, size_t begins)
{
    struct image_symbol symbol;
    char name[32];
    errno = UNUSUAL;
    cr_assert(image_find(&image, object_code(at), &symbol), "nothing at %zx", at);
    cr_assert(image_name(&image, &symbol, name, sizeof name));
    cr_assert_str_eq(name, function);
    cr_assert_eq(symbol.address, object_code(begins));
    cr_assert_eq(errno, UNUSUAL);
}

static void expect_no_function(uintptr_t address)
{
    struct image_symbol symbol;
    cr_assert_not(image_find(&image, address, &symbol), "symbol %zu at %lx", symbol.name, address);
}

static void expect_all(void)
{
    read_object();
    cr_assert_eq(image.count, (size_t)SYMBOLS);
    expect_function(AT_FIRST, "first", AT_FIRST);
    expect_function(AT_FIRST + 0x1f, "first", AT_FIRST);
    expect_function(AT_SECOND + 5, "second", AT_SECOND);
}

Test(image, knows_its_range)
{
    object_make();
    read_object();
    cr_assert_eq(image.start, (uintptr_t)&object);
    cr_assert_eq(image.end, (uintptr_t)(&object + 1));
    cr_assert_eq(image.bias, object_bias());
}

Test(image, reads_hash_tables_of_both_kinds)
{
    object_make();
    expect_all();
    object_make_dynamic(DT_HASH, IN_FILE(hash), object_bias());
    expect_all();
}

Test(image, reads_pointers_that_are_not_relocated)
{
    object_make();
    object_make_dynamic(DT_GNU_HASH, IN_FILE(gnu), 0);
    expect_all();
    object_make_dynamic(DT_HASH, IN_FILE(hash), 0);
    expect_all();
}

Test(image, address_behind_a_function_has_no_name)
{
    object_make();
    read_object();
    expect_no_function(object_code(AT_FIRST - 1));
    expect_no_function(object_code(AT_FIRST + 0x20));
    expect_no_function(object_code(AT_DATA));
    expect_no_function((uintptr_t)&object);
    expect_no_function(0);
    expect_no_function(UINTPTR_MAX);
}

Test(image, prefers_the_innermost_and_the_first_name)
{
    object_make();
    read_object();
    expect_function(AT_OUTER, "outer", AT_OUTER);
    expect_function(AT_INNER - 1, "outer", AT_OUTER);
    expect_function(AT_INNER, "inner", AT_INNER);
    expect_function(AT_INNER + 0x10, "outer", AT_OUTER);
}

Test(image, long_names_are_cut)
{
    struct image_symbol symbol = {.name = 37};
    char name[8];
    object_make();
    read_object();
    cr_assert(image_name(&image, &symbol, name, 7));
    cr_assert_str_eq(name, "second");
    cr_assert(image_name(&image, &symbol, name, 6));
    cr_assert_str_eq(name, "se...");
}

Test(image, broken_names_are_refused)
{
    struct image_symbol symbol = {.name = 0};
    char name[256];
    object_make();
    read_object();
    cr_assert_not(image_name(&image, &symbol, name, sizeof name), "an empty name");
    for (symbol.name = sizeof object.strings; symbol.name < sizeof object.strings + 2; symbol.name++) {
        object.code[0] = object.code[1] = 'x';
        cr_assert_not(image_name(&image, &symbol, name, sizeof name), "a name behind the table");
    }
    symbol.name = 37;
    image.strings_size = 40;
    cr_assert_not(image_name(&image, &symbol, name, sizeof name), "a name without an end");
    image.strings = 1;
    cr_assert_not(image_name(&image, &symbol, name, sizeof name), "a name in memory that is not mapped");
}

static void expect_no_object(uintptr_t start)
{
    cr_assert_not(image_read(start, &image));
    cr_assert_eq(image.count, 0);
}

Test(image, other_files_are_refused)
{
    object_make();
    object.header.e_ident[1] = 'x';
    expect_no_object((uintptr_t)&object);
    object_make();
    /* the size of a program header is now wrong, as if the object had another word size */
    object.header.e_phentsize = sizeof(ElfW(Phdr)) / 2;
    expect_no_object((uintptr_t)&object);
    object_make();
    object.header.e_phoff = UINT32_MAX;
    expect_no_object((uintptr_t)&object);
    expect_no_object(0);
    expect_no_object(UINTPTR_MAX - 8);
}

/* Checks that the object is recognized as an ELF object, and that no function is found in it. */
static void expect_no_functions(void)
{
    read_object();
    cr_assert_eq(image.count, 0);
    expect_no_function(object_code(AT_FIRST));
}

Test(image, object_without_symbols)
{
    object_make();
    object.segments[3].p_type = PT_NOTE;
    expect_no_functions();
    object_make();
    object.dynamic[1].d_tag = DT_NEEDED; /* an object without a hash table: nothing says how many symbols it has */
    expect_no_functions();
    object_make();
    object.dynamic[4].d_tag = DT_NEEDED;
    expect_no_functions();
    object_make();
    /* from here on the object exports no symbol, because its hash table is empty */
    memset(object.gnu.buckets, 0, sizeof object.gnu.buckets);
    expect_no_functions();
}

/* An object may be unmapped or overwritten while its tables are read. Whatever the tables contain, reading them must
 * end. */
Test(image, broken_tables_end)
{
    uintptr_t nowhere = 1 - object_bias(); /* an address that becomes 1 when the object's bias is added */
    object_make();
    object.gnu.header[0] = UINT32_MAX;
    expect_no_functions();
    object_make();
    object.gnu.buckets[0] = UINT32_MAX;
    expect_no_functions();
    object_make();
    object_make_dynamic(DT_HASH, IN_FILE(hash), object_bias());
    object.hash[1] = UINT32_MAX;
    expect_no_functions();
    object_make();
    object.dynamic[1].d_un.d_ptr = nowhere;
    expect_no_functions();
    object_make();
    object.dynamic[4].d_un.d_ptr = nowhere;
    read_object();
    expect_no_function(object_code(AT_FIRST));
}

/* A chain in the object's hash table has no end, or its dynamic section has none. A page without access lies behind the
 * object. Reading must not touch that page. */
Test(image, tables_without_an_end_run_into_nothing)
{
    size_t page = os_page_size();
    char *start = os_map(2 * page);
    cr_assert_not_null(start);
    cr_assert(os_release(start + page, page));
    object_make();
    object.dynamic[1].d_un.d_ptr = (uintptr_t)start;
    object.segments[2].p_memsz = (uintptr_t)start + page - object_code(0);
    uint32_t *table = (uint32_t *)(void *)start;
    /*
     * a hash table with one bucket; the chain consists of zeros and so has no end, because an odd number would end it
     */
    table[0] = 1;
    table[4] = 1;
    expect_no_functions();
    object_make();
    memset(start, 1, page);
    object.segments[3].p_vaddr = (uintptr_t)start - object_bias();
    expect_no_functions();
}
