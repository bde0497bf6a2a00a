/*
 * Every backend that a listener knows: those in the table now, and some that were, so that a backend which leaves and returns keeps
 * its counters. Belongs to the thread that sets the tables; the engine never sees it.
 */
#pragma once

#include "relay_backend.h"

struct relay_roster {
  size_t count, listed; /* the first `listed` are in the table, in its order */
  struct relay_backend **backends;
};

/*
 * A table of these backends, with the counters of those that are known by the same name and address. The roster is then in the
 * table's order. NULL, with the roster as it was, when memory is short.
 */
struct relay_table *relay_roster_table(struct relay_roster *roster, const struct relay_wish *wishes, size_t count,
                                       struct relay_rules rules);

void relay_roster_clear(struct relay_roster *roster);
