/* A backend with its counters, the table that new connections choose from, and the choice itself. */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct relay_address {
  struct sockaddr_storage storage;
  socklen_t length;
};

/* Shared by tables, connections and the roster; freed with its last reference. The counters are read by any thread at any time. */
struct relay_backend {
  atomic_uint references;
  atomic_llong open;
  atomic_ullong total, failed, reset, bytes_from_client, bytes_to_client;
  char *name;
  struct relay_address address;

  /* The engine's thread only. */
  uint64_t penalty_ends; /* until then it is chosen last */
  uint64_t assigned;     /* connections that are its: open, or being made */
};

/* A backend as the caller names it; `name` is borrowed. */
struct relay_wish {
  const char *name;
  struct relay_address address;
};

/* How a connection's backend is chosen. */
struct relay_rules {
  uint32_t connect_timeout; /* ms */
  bool least_connections;   /* else round robin */
};

/* What new connections choose from. The engine's thread owns it; it never changes, it is replaced. */
struct relay_table {
  struct relay_rules rules;
  size_t count;
  struct relay_backend *backends[];
};

/* The backends that one connection has tried in vain. */
struct relay_tried {
  size_t count;
  struct relay_backend **backends;
};

/* A backend with one reference, or NULL when out of memory. The name is copied. */
struct relay_backend *relay_backend_create(const char *name, const struct relay_address *address);
struct relay_backend *relay_backend_ref(struct relay_backend *backend);
void relay_backend_unref(struct relay_backend *backend);

/* By name and address. */
bool relay_backend_is(const struct relay_backend *backend, const struct relay_wish *wish);

/* Frees a table and its references; NULL is fine. */
void relay_table_free(struct relay_table *table);

/*
 * The next backend round robin, or of those with the fewest connections, that was not tried; those under a penalty last. NULL when
 * none is left or `table` is NULL. `*cursor` moves on. No reference is added.
 */
struct relay_backend *relay_choose(const struct relay_table *table, size_t *cursor, const struct relay_tried *tried,
                                   uint64_t now);

/* Adds a backend, with a reference; false when out of memory. */
bool relay_tried_add(struct relay_tried *tried, struct relay_backend *backend);
void relay_tried_clear(struct relay_tried *tried);
