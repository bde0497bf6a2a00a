#include "relay_group.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

/* For the rest of the process; the engines' pipes come on top. */
enum { DESCRIPTORS_KEPT = 256 };

/* Half of the descriptors that this process may have, less what the rest of it needs, since a connection has two. */
static unsigned connections_limit(size_t engines) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1 << 30) return 1 << 29;
  unsigned descriptors = (unsigned)limit.rlim_cur;
  unsigned wanted = DESCRIPTORS_KEPT + 2 * RELAY_PIPES_MAX * (unsigned)engines;
  unsigned kept = descriptors / 4 < wanted ? descriptors / 4 : wanted;
  return (descriptors - kept) / 2;
}

struct relay_group *relay_group_create(size_t count, const char **operation) {
  struct relay_group *group = calloc(1, sizeof *group + count * sizeof group->engines[0]);
  *operation = "malloc";
  if (group == NULL) return NULL;
  group->references = 1;
  group->budget.limit = connections_limit(count);
  while (group->count < count) {
    struct relay_engine *engine = relay_engine_create(&group->budget, operation);
    if (engine == NULL) {
      int error = errno;
      relay_group_stop(group);
      relay_group_unref(group);
      errno = error;
      return NULL;
    }
    group->engines[group->count++] = engine;
  }
  return group;
}

void relay_group_stop(struct relay_group *group) {
  if (group->stopped) return;
  group->stopped = true;
  for (size_t i = 0; i < group->count; i++) relay_engine_stop(group->engines[i]);
  for (size_t i = 0; i < group->count; i++) relay_engine_join(group->engines[i]);
}

struct relay_group *relay_group_ref(struct relay_group *group) {
  atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
  return group;
}

void relay_group_unref(struct relay_group *group) {
  if (atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) > 1) return;
  for (size_t i = 0; i < group->count; i++) relay_engine_unref(group->engines[i]);
  free(group);
}
