#include "relay_backend.h"

#include <stdlib.h>
#include <string.h>

struct relay_backend *relay_backend_create(const char *name, const struct relay_address *address) {
  struct relay_backend *backend = calloc(1, sizeof *backend);
  if (backend == NULL) return NULL;
  backend->name = strdup(name);
  if (backend->name == NULL) {
    free(backend);
    return NULL;
  }
  backend->references = 1;
  backend->address = *address;
  return backend;
}

struct relay_backend *relay_backend_ref(struct relay_backend *backend) {
  atomic_fetch_add_explicit(&backend->references, 1, memory_order_relaxed);
  return backend;
}

void relay_backend_unref(struct relay_backend *backend) {
  if (atomic_fetch_sub_explicit(&backend->references, 1, memory_order_acq_rel) > 1) return;
  free(backend->name);
  free(backend);
}

bool relay_backend_is(const struct relay_backend *backend, const struct relay_wish *wish) {
  const struct relay_address *a = &backend->address, *b = &wish->address;
  return a->length == b->length && memcmp(&a->storage, &b->storage, sizeof a->storage) == 0 &&
         strcmp(backend->name, wish->name) == 0;
}

void relay_table_free(struct relay_table *table) {
  if (table == NULL) return;
  for (size_t i = 0; i < table->count; i++) relay_backend_unref(table->backends[i]);
  free(table);
}

static bool was_tried(const struct relay_tried *tried, const struct relay_backend *backend) {
  for (size_t i = 0; i < tried->count; i++)
    if (tried->backends[i] == backend) return true;
  return false;
}

/*
 * The cursor goes on behind the chosen one, so that a skipped backend's share is spread over all others, not given to its neighbour,
 * and that backends with equally few connections take turns.
 */
struct relay_backend *relay_choose(const struct relay_table *table, size_t *cursor, const struct relay_tried *tried,
                                   uint64_t now) {
  struct relay_backend *chosen = NULL, *last_resort = NULL;
  size_t next = *cursor;
  size_t count = table == NULL ? 0 : table->count;
  for (size_t i = 0; i < count; i++) {
    size_t index = (*cursor + i) % count;
    struct relay_backend *backend = table->backends[index];
    if (was_tried(tried, backend)) continue;
    if (backend->penalty_ends > now) {
      if (last_resort == NULL) last_resort = backend;
    } else if (chosen == NULL || backend->assigned < chosen->assigned) {
      chosen = backend;
      next = (index + 1) % count;
      if (!table->rules.least_connections) break;
    }
  }
  *cursor = next;
  return chosen != NULL ? chosen : last_resort;
}

bool relay_tried_add(struct relay_tried *tried, struct relay_backend *backend) {
  void *grown = realloc(tried->backends, (tried->count + 1) * sizeof tried->backends[0]);
  if (grown == NULL) return false;
  tried->backends = grown;
  tried->backends[tried->count++] = relay_backend_ref(backend);
  return true;
}

void relay_tried_clear(struct relay_tried *tried) {
  for (size_t i = 0; i < tried->count; i++) relay_backend_unref(tried->backends[i]);
  free(tried->backends);
  *tried = (struct relay_tried){0};
}
