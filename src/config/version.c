/* Returns the version of the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include "base/attributes.h"

EXPORTED const char *sockmalloc_version(void)
{
    return PACKAGE_VERSION;
}
