/*
 * The engine: one thread with one epoll. Everything that a connection or a listener does happens in that thread; the rest of the
 * process hands it commands. It knows no JavaScript.
 *
 * One turn of the loop: (1) events of connections, (2) commands, (3) accepting, (4) deadlines, (5) connections that had more to do
 * than their share, (6) freeing what was closed. The order matters. A socket is replaced or closed by commands and deadlines only
 * after all events of the turn were seen, and memory that an event may still point to is freed last.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct relay_listener;

/* What an epoll event points to: the first member of whatever it is about. */
struct relay_source {
  void (*ready)(struct relay_source *source, uint32_t events);
};

struct relay_engine {
  atomic_uint references;
  int epoll;
  uint64_t now;                /* ms of CLOCK_MONOTONIC, read once a turn */
  uint64_t accepting_paused;   /* until then nothing is accepted; 0 when not paused */
  unsigned connections_max;    /* so that the rest of the process keeps some descriptors */
  unsigned connections_count;
  bool stopping;
  struct list connections;     /* every connection that is not closed */
  struct list deadlines;       /* those with a deadline, the earliest first */
  struct list busy;            /* those with more to do at once */
  struct list closed;          /* to be freed at the end of the turn */
  struct list listeners;
  uint8_t *scratch;            /* RELAY_CHUNK bytes */
  struct relay_commands *commands;
};

/* Starts the thread. NULL with errno; `*operation` is the call that failed. */
struct relay_engine *relay_engine_create(const char **operation);

/* Ends the thread and every connection and listener; blocks until that is done. Twice is fine. Not from the engine's thread. */
void relay_engine_stop(struct relay_engine *engine);

struct relay_engine *relay_engine_ref(struct relay_engine *engine);
void relay_engine_unref(struct relay_engine *engine);

typedef void relay_command(struct relay_engine *engine, struct relay_listener *listener, void *argument);

/*
 * Runs `command` in the engine's thread, in the order of posting, before the next connection is accepted. A reference to
 * `listener` is held until then. False, and nothing happens, when the engine is stopped or memory is short.
 */
bool relay_engine_post(struct relay_engine *engine, relay_command *command, struct relay_listener *listener, void *argument);

/* The rest is for the engine's own thread. */

/* Runs the commands that wait; cheap when there are none. */
void relay_engine_run_commands(struct relay_engine *engine);

/* Watches a socket; false with errno. */
bool relay_engine_watch(struct relay_engine *engine, int fd, uint32_t events, struct relay_source *source);

/* Must come before close(): a child process between fork and exec may hold a copy, and then events would go on. */
void relay_engine_unwatch(struct relay_engine *engine, int fd);

/* Descriptors or memory are short: leaves new connections in the kernel's backlog for a moment. */
void relay_engine_pause_accepting(struct relay_engine *engine);
