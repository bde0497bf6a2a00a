/* A listening socket of the relay with its table of backends. */
#pragma once

#include "relay_backend.h"
#include "relay_engine.h"
#include "relay_roster.h"

struct relay_listener {
  struct relay_source source; /* must be first */
  atomic_uint references;
  struct relay_engine *engine;
  uint16_t port;
  atomic_ullong refused; /* clients that no backend took */
  atomic_uint resets;    /* orders to reset everybody that were carried out */

  /* The engine's thread only. */
  struct list link; /* in engine->listeners */
  int fd;           /* -1 once closed */
  bool ready;
  struct relay_table *table; /* NULL before the first */
  size_t cursor;

  /* The thread that made it only. */
  bool stopped;
  struct relay_roster roster;
};

/* For the thread that made the engine. */

/* Listens at once; refuses clients until it gets a table. One reference; NULL with errno and the call that failed. */
struct relay_listener *relay_listener_create(struct relay_engine *engine, const struct relay_address *address, bool freebind,
                                             const char **operation);
struct relay_listener *relay_listener_ref(struct relay_listener *listener);
void relay_listener_unref(struct relay_listener *listener);

/* Every connection that a client starts after this uses `table`, which the listener owns from now on. */
void relay_listener_replace_table(struct relay_listener *listener, struct relay_table *table);

/*
 * Resets the open connections to that backend; those being connected go on to the next. With NULL every client is
 * reset, those too that wait to be accepted, and `resets` counts when that is done.
 */
void relay_listener_reset(struct relay_listener *listener, const struct relay_wish *wish);

/* Refuses new clients from this moment; open connections live on. Twice is fine. */
void relay_listener_stop(struct relay_listener *listener);

/* For the engine's thread. */

/* Watches for EPOLLIN, or with 0 for nothing. */
void relay_listener_watch(struct relay_listener *listener, uint32_t events);

/* Accepts what waits, up to a bound, if an event said that something does. */
void relay_listener_accept(struct relay_listener *listener);

void relay_listener_close(struct relay_listener *listener);
void relay_listeners_free_closed(struct relay_engine *engine);
