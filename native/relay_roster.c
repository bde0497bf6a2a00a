#include "relay_roster.h"

#include <stdlib.h>

#include "relay_order.h"

/* How many backends that left are remembered, besides those that still have connections. */
enum { REMEMBERED = 64 };

static struct relay_backend *find(struct relay_backend *const *backends, size_t count, const struct relay_wish *wish) {
  for (size_t i = 0; i < count; i++)
    if (relay_backend_is(backends[i], wish)) return backends[i];
  return NULL;
}

static bool contains(struct relay_backend *const *backends, size_t count, const struct relay_backend *backend) {
  for (size_t i = 0; i < count; i++)
    if (backends[i] == backend) return true;
  return false;
}

static struct relay_backend *find_in(const struct relay_table *table, const struct relay_wish *wish) {
  for (size_t i = 0; i < table->count; i++)
    if (relay_backend_is(table->shares[i].backend, wish)) return table->shares[i].backend;
  return NULL;
}

static bool set_order(struct relay_table *table) {
  uint32_t *weights = calloc(table->count + 1, sizeof weights[0]);
  if (weights == NULL) return false;
  for (size_t i = 0; i < table->count; i++) weights[i] = table->shares[i].weight;
  table->order = relay_order_create(weights, table->count, &table->turns);
  free(weights);
  return table->order != NULL;
}

static struct relay_table *make_table(const struct relay_roster *roster, const struct relay_wish *wishes, size_t count,
                                      struct relay_rules rules) {
  struct relay_table *table = calloc(1, sizeof *table + count * sizeof table->shares[0]);
  if (table == NULL) return NULL;
  table->references = 1;
  table->rules = rules;
  for (size_t i = 0; i < count; i++) {
    struct relay_backend *backend = find_in(table, &wishes[i]);
    if (backend == NULL) backend = find(roster->backends, roster->count, &wishes[i]);
    backend = backend == NULL ? relay_backend_create(wishes[i].name, &wishes[i].address) : relay_backend_ref(backend);
    if (backend == NULL) break;
    table->shares[table->count++] = (struct relay_share){.backend = backend, .weight = wishes[i].weight};
  }
  if (table->count == count && set_order(table)) return table;
  relay_table_unref(table);
  return NULL;
}

/* Only the roster can hand out new references to a backend that nobody else holds: with one reference it is idle for good. */
static bool is_idle(const struct relay_backend *backend) {
  return atomic_load_explicit(&backend->references, memory_order_acquire) == 1;
}

struct relay_table *relay_roster_table(struct relay_roster *roster, const struct relay_wish *wishes, size_t count,
                                       struct relay_rules rules) {
  struct relay_table *table = make_table(roster, wishes, count, rules);
  struct relay_backend **backends = calloc(roster->count + count + 1, sizeof backends[0]);
  if (table == NULL || backends == NULL) {
    relay_table_unref(table);
    free(backends);
    return NULL;
  }
  size_t kept = 0, idle = 0;
  for (size_t i = 0; i < count; i++)
    if (!contains(backends, kept, table->shares[i].backend)) backends[kept++] = relay_backend_ref(table->shares[i].backend);
  size_t listed = kept;
  for (size_t i = 0; i < roster->count; i++) { /* those that left last come first */
    struct relay_backend *backend = roster->backends[i];
    if (contains(backends, listed, backend) || (is_idle(backend) && ++idle > REMEMBERED)) continue;
    backends[kept++] = relay_backend_ref(backend);
  }
  relay_roster_clear(roster);
  *roster = (struct relay_roster){.count = kept, .listed = listed, .backends = backends};
  return table;
}

void relay_roster_clear(struct relay_roster *roster) {
  for (size_t i = 0; i < roster->count; i++) relay_backend_unref(roster->backends[i]);
  free(roster->backends);
  *roster = (struct relay_roster){0};
}
