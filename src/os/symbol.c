/* Names the function in which an address lies, without a call of the dynamic linker, because another thread may hold
 * the linker's lock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/symbol.h"

#include <string.h>

#include "os/os.h"

void symbol_begin(struct symbol_finder *finder)
{
    memset(finder, 0, sizeof *finder);
    finder->blind = os_is_filtered();
}

/* Returns the object (program or library) that contains the address, or NULL if the finder has not stored such an
 * object. */
static const struct symbol_object *symbol_recall(const struct symbol_finder *finder, uintptr_t address)
{
    for (unsigned i = 0; i < SYMBOL_OBJECTS; i++) {
        const struct symbol_object *object = &finder->object[i];
        if (address - object->image.start < object->image.end - object->image.start) {
            return object;
        }
    }
    return NULL;
}

/*
 * Reads the object that contains the address, and stores it over the object that was stored longest ago. If the file
 * mapped there is no ELF object, only its name is stored. Returns NULL if no file is mapped there.
 */
static const struct symbol_object *symbol_meet(struct symbol_finder *finder, uintptr_t address)
{
    struct mapping mapping;
    if (!mapping_find(address, &mapping)) {
        return NULL;
    }
    struct symbol_object *object = &finder->object[finder->next++ % SYMBOL_OBJECTS];
    if (!image_read(mapping.start, &object->image)) {
        object->image = (struct image){.bias = mapping.start};
    }
    memcpy(object->name, mapping.name, sizeof mapping.name);
    return object;
}

static const struct symbol_object *symbol_find_object(struct symbol_finder *finder, uintptr_t address)
{
    const struct symbol_object *object = symbol_recall(finder, address);
    return object != NULL || finder->blind ? object : symbol_meet(finder, address);
}

void symbol_print(struct symbol_finder *finder, const void *address, struct text *text)
{
    uintptr_t behind = (uintptr_t)address;
    uintptr_t call = behind - 1;
    struct image_symbol symbol;
    const struct symbol_object *object = symbol_find_object(finder, call);
    if (object == NULL) {
        text_add(text, "%p", address);
    } else if (image_find(&object->image, call, &symbol) &&
               image_name(&object->image, &symbol, finder->name, sizeof finder->name)) {
        text_add(text, "%s(%s+0x%lx)", object->name, finder->name, behind - symbol.address);
    } else {
        text_add(text, "%s+0x%lx", object->name, behind - object->image.bias);
    }
}
