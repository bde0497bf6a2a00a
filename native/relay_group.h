/* The relay of a process: engines, each a thread, and what they share. */
#pragma once

#include "relay_engine.h"

struct relay_group {
  atomic_uint references;
  struct relay_budget budget;
  bool stopped;
  size_t count;
  struct relay_engine *engines[];
};

/* Starts so many engines. One reference; NULL with errno, and `*operation` is the call that failed. */
struct relay_group *relay_group_create(size_t count, const char **operation);

/* Ends every connection and listener, and the threads; blocks until that is done. Twice is fine. */
void relay_group_stop(struct relay_group *group);

struct relay_group *relay_group_ref(struct relay_group *group);
void relay_group_unref(struct relay_group *group);
