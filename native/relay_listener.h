/*
 * A listening socket of the relay with its table of backends. All engines accept from the one socket, woken one at a time
 * (EPOLLEXCLUSIVE): no client waits in the queue of a thread that is busy while another has nothing to do.
 */
#pragma once

#include "relay_backend.h"
#include "relay_ending.h"
#include "relay_group.h"
#include "relay_roster.h"

struct relay_listener;

/* A listener as one engine sees it. */
struct relay_shard {
  struct relay_source source; /* must be first */
  struct relay_listener *listener;
  struct relay_engine *engine;
  atomic_uint resets; /* orders to reset everybody that this engine carried out */

  /* The engine's thread only. */
  struct list link; /* in engine->shards */
  bool closed, ready;
  struct relay_table *table; /* NULL before the first */
};

struct relay_listener {
  atomic_uint references;
  struct relay_group *group;
  int fd;
  uint16_t port;
  bool adopted; /* it waits for its first table before it accepts */
  atomic_uint open;      /* shards that are not closed, and whoever uses the socket just now; the last one closes it */
  atomic_uint connections; /* in hand, those being connected too */
  atomic_ullong refused; /* clients that no backend took */
  atomic_ullong ended[RELAY_ENDINGS_COUNT];
  atomic_size_t cursor;  /* where the next choice begins */

  /* The thread that made it only. */
  bool stopped;
  struct relay_roster roster;

  size_t count;
  struct relay_shard shards[]; /* one for each engine */
};

/* For the thread that made the engines. */

/* Listens at once; refuses clients until it gets a table. One reference; NULL with errno and the call that failed. */
struct relay_listener *relay_listener_create(struct relay_group *group, const struct relay_address *address, bool freebind,
                                             const char **operation);

/* The same with a socket that listens at this address already; it stays the caller's. Accepts from its first table on. */
struct relay_listener *relay_listener_adopt(struct relay_group *group, int fd, const struct relay_address *address,
                                            const char **operation);
struct relay_listener *relay_listener_ref(struct relay_listener *listener);
void relay_listener_unref(struct relay_listener *listener);

/* Every connection that a client starts after this uses `table`; the caller's reference goes to the listener. */
void relay_listener_replace_table(struct relay_listener *listener, struct relay_table *table);

/*
 * Resets the open connections to that backend; those being connected go on to the next. With NULL every client is
 * reset, those too that wait to be accepted, and relay_listener_resets() counts when that is done.
 */
void relay_listener_reset(struct relay_listener *listener, const struct relay_wish *wish);

/* How many orders to reset everybody were carried out, by all engines. */
unsigned relay_listener_resets(const struct relay_listener *listener);

/* Refuses new clients from this moment; open connections live on. Twice is fine. */
void relay_listener_stop(struct relay_listener *listener);

/*
 * Accepts what waits once more, and closes the socket here: for whoever else has it, it goes on. Open connections live on. Twice is fine, and
 * so is stopping before or after; the first order counts.
 */
void relay_listener_leave(struct relay_listener *listener);

/* A copy of its socket; -1 with errno, EBADF when it was stopped or left. */
int relay_listener_copy(struct relay_listener *listener);

/* Whether some engine may still accept; when none may, no connection is added to `connections` any more. */
bool relay_listener_accepts(const struct relay_listener *listener);

/* For the engine's thread. */

/* Whether it is told of clients. */
void relay_shard_watch(struct relay_shard *shard, bool on);

/*
 * Has every shard of the engine look for clients. Of those who watch the socket the kernel wakes one, and if that is in a process which ends
 * just then, nobody else hears of the client before the next one comes.
 */
void relay_shards_look(struct relay_engine *engine);

/* Accepts what waits, up to a bound, if an event said that something does. */
void relay_shard_accept(struct relay_shard *shard);

void relay_shard_close(struct relay_shard *shard);
void relay_shards_free_closed(struct relay_engine *engine);
