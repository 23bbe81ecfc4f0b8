/* Writes to a profile the quotas that training has set, and reads the first quotas of a new process from one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bounds.h"
#include "cache/profile.h"
#include "cache/training.h"
#include "config/message.h"

static const char *profile_path = "";
static const struct bucket_plan *plan;

COLD void training_recall(const char *path, const struct bucket_plan *bucket_plan, uint32_t first[BUCKET_LIMIT])
{
    struct profile profile;
    profile_path = path;
    plan = bucket_plan;
    if (path[0] == '\0') {
        return;
    }
    const char *fault = profile_read(path, &profile);
    if (fault != NULL) {
        if (fault[0] != '\0') {
            message_say(MESSAGE_PROFILE_IGNORED, path, fault);
        }
        return;
    }
    for (unsigned row = 0; row < profile.count; row++) {
        for (unsigned bucket = 0; bucket < plan->first_large; bucket++) {
            if (plan->size[bucket] == profile.row[row].bucket) {
                uint32_t quota = profile.row[row].quota;
                first[bucket] = LESSER(quota, MAGAZINE_SLOTS);
            }
        }
    }
}

COLD bool training_record(void)
{
    uint32_t quota[BUCKET_LIMIT];
    struct profile profile = {.count = 0};
    if (profile_path[0] == '\0' || !training_result(quota)) {
        return true;
    }
    for (unsigned bucket = 0; bucket < plan->first_large; bucket++) {
        profile.row[profile.count++] = (struct profile_row){.bucket = plan->size[bucket], .quota = quota[bucket]};
    }
    return profile_write(profile_path, &profile);
}
