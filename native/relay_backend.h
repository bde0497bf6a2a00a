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

/* Shared by tables, connections and the roster; freed with its last reference. The counters belong to all threads. */
struct relay_backend {
  atomic_uint references;
  atomic_llong open;
  atomic_ullong total, failed, reset, bytes_from_client, bytes_to_client;
  atomic_ullong penalty_ends; /* until then it is chosen last; ms of the engines' clock */
  atomic_ullong assigned;     /* connections that are its: open, or being made */
  char *name;
  struct relay_address address;
};

/* A backend as the caller names it; `name` is borrowed. */
struct relay_wish {
  const char *name;
  struct relay_address address;
  uint32_t weight; /* its part of the connections, in a table */
};

/* How a connection's backend is chosen. */
struct relay_rules {
  uint32_t connect_timeout; /* ms */
  bool least_connections;   /* else round robin */
  bool proxy_protocol;      /* version 2, towards the backend */
};

struct relay_share {
  struct relay_backend *backend;
  uint32_t weight;
};

/* What new connections choose from. It never changes, it is replaced; each engine that uses it has a reference. */
struct relay_table {
  atomic_uint references;
  struct relay_rules rules;
  size_t turns;    /* in a round, of which each share has as many as its weight */
  uint32_t *order; /* which share has which turn (relay_order.h) */
  size_t count;
  struct relay_share shares[];
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

/* Frees a table with its last reference, and its references to backends; NULL is fine. */
void relay_table_unref(struct relay_table *table);

/*
 * The backend that was not tried and has the next turn, or of those with the fewest connections for their weight; those under a
 * penalty last. NULL when none is left or `table` is NULL. `*cursor`, which threads may share, moves on: no turn is given twice.
 * No reference is added.
 */
struct relay_backend *relay_choose(const struct relay_table *table, atomic_size_t *cursor, const struct relay_tried *tried,
                                   uint64_t now);

/* Adds a backend, with a reference; false when out of memory. */
bool relay_tried_add(struct relay_tried *tried, struct relay_backend *backend);
void relay_tried_clear(struct relay_tried *tried);
