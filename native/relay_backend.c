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

void relay_table_unref(struct relay_table *table) {
  if (table == NULL || atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) > 1) return;
  for (size_t i = 0; i < table->count; i++) relay_backend_unref(table->shares[i].backend);
  free(table->order);
  free(table);
}

static bool was_tried(const struct relay_tried *tried, const struct relay_backend *backend) {
  for (size_t i = 0; i < tried->count; i++)
    if (tried->backends[i] == backend) return true;
  return false;
}

static bool is_penalised(const struct relay_backend *backend, uint64_t now) {
  return atomic_load_explicit(&backend->penalty_ends, memory_order_relaxed) > now;
}

/* How many connections for how much weight; a quotient, which is compared without dividing. */
struct load {
  unsigned long long assigned;
  uint32_t weight;
};

/* Round robin all are alike: the turn decides. */
static struct load load_of(const struct relay_table *table, const struct relay_share *share) {
  bool counts = table->rules.least_connections;
  return (struct load){counts ? atomic_load_explicit(&share->backend->assigned, memory_order_relaxed) : 0, share->weight};
}

static bool is_less(struct load a, struct load b) { return a.assigned * b.weight < b.assigned * a.weight; }

/*
 * The least load among those that may be chosen; false, with the one to fall back to, when none may. Of several that are penalised
 * it is the one that comes first from `start` on.
 */
static bool find_least(const struct relay_table *table, size_t start, const struct relay_tried *tried, uint64_t now,
                       struct load *least, struct relay_backend **last_resort) {
  bool found = false;
  for (size_t i = 0; i < table->count; i++) {
    const struct relay_share *share = &table->shares[(start + i) % table->count];
    if (was_tried(tried, share->backend)) continue;
    if (is_penalised(share->backend, now)) {
      if (*last_resort == NULL) *last_resort = share->backend;
      continue;
    }
    struct load load = load_of(table, share);
    if (!found || is_less(load, *least)) *least = load;
    found = true;
  }
  return found;
}

/*
 * The cursor goes on behind the turn that was taken, so that a skipped backend's share is spread over all others, not given to its
 * neighbour, and that backends with the same load take turns.
 */
struct relay_backend *relay_choose(const struct relay_table *table, atomic_size_t *cursor, const struct relay_tried *tried,
                                   uint64_t now) {
  if (table == NULL || table->count == 0) return NULL;
  size_t first = atomic_load_explicit(cursor, memory_order_relaxed);
  for (;;) { /* another thread may take the turn first */
    struct relay_backend *last_resort = NULL;
    struct load least = {0};
    size_t start = first % table->turns, i = 0;
    if (!find_least(table, table->order[start], tried, now, &least, &last_resort)) return last_resort;
    for (; i < table->turns; i++) {
      const struct relay_share *share = &table->shares[table->order[(start + i) % table->turns]];
      if (was_tried(tried, share->backend) || is_penalised(share->backend, now)) continue;
      if (is_less(least, load_of(table, share))) continue;
      if (!atomic_compare_exchange_weak_explicit(cursor, &first, (start + i + 1) % table->turns, memory_order_relaxed,
                                                 memory_order_relaxed))
        break;
      return share->backend;
    }
    if (i == table->turns) first = atomic_load_explicit(cursor, memory_order_relaxed); /* all have got more to do meanwhile */
  }
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
