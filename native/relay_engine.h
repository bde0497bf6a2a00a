/*
 * An engine: one thread with one epoll. Everything that a connection does happens in one of them; the rest of the process hands them
 * commands. None of them knows JavaScript.
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
#include "relay_flow.h"

struct relay_shard;

/* What all engines of a process may have together, so that the rest of it keeps some descriptors. */
struct relay_budget {
  atomic_uint used; /* connections */
  atomic_uint waiting; /* of them, for a descriptor; meanwhile nobody else is accepted */
  unsigned limit;
};

/* What an epoll event points to: the first member of whatever it is about. */
struct relay_source {
  void (*ready)(struct relay_source *source, uint32_t events);
};

struct relay_engine {
  atomic_uint references;
  int epoll;
  uint64_t now;                /* ms of CLOCK_MONOTONIC, read once a turn */
  uint64_t accepting_paused;   /* until then nothing is accepted; 0 when not paused */
  struct relay_budget *budget; /* outlives the thread */
  atomic_bool stopping;
  atomic_ulong turns; /* of the loop, so far */
  atomic_int fault;   /* the signal of the bug at which the thread stands still; 0 for none */
  int ended;          /* an eventfd: the thread has ended */
  int spare;          /* a descriptor for the backend of whoever is accepted next; -1 while it is used */
  struct list connections;     /* every connection that is not closed */
  struct list deadlines;       /* those with a deadline, the earliest first */
  struct list busy;            /* those with more to do at once */
  struct list looked;          /* legs that wait for acknowledgements, the next to be looked at first */
  struct list closed;          /* to be freed at the end of the turn */
  struct list shards;          /* of listeners */
  struct relay_means means;    /* of its flows */
  struct relay_commands *commands;
};

/* Starts the thread. NULL with errno; `*operation` is the call that failed. */
struct relay_engine *relay_engine_create(struct relay_budget *budget, const char **operation);

/* Tells the thread to end every connection, and itself. */
void relay_engine_stop(struct relay_engine *engine);

/*
 * Blocks until it has ended; it must have been told to. One that does not end is left as it is. Twice is fine. Not from the engine's
 * thread.
 */
void relay_engine_join(struct relay_engine *engine);

/* How many turns its loop has made, and has it make one more. Any thread. */
unsigned long relay_engine_turns(struct relay_engine *engine, int *fault);

struct relay_engine *relay_engine_ref(struct relay_engine *engine);
void relay_engine_unref(struct relay_engine *engine);

typedef void relay_command(struct relay_engine *engine, struct relay_shard *shard, void *argument);

/*
 * Runs `command` in the engine's thread, in the order of posting, before the next connection is accepted. A reference to
 * the shard's listener (NULL: there is none) is held until then. False, and nothing happens, when the engine is stopped or memory is
 * short.
 */
bool relay_engine_post(struct relay_engine *engine, relay_command *command, struct relay_shard *shard, void *argument);

/* The rest is for the engine's own thread. */

/* Runs the commands that wait; cheap when there are none. Nothing when called by a command. */
void relay_engine_run_commands(struct relay_engine *engine);

/* Watches a socket; false with errno. */
bool relay_engine_watch(struct relay_engine *engine, int fd, uint32_t events, struct relay_source *source);

/* Must come before close(): a child process between fork and exec may hold a copy, and then events would go on. */
void relay_engine_unwatch(struct relay_engine *engine, int fd);

/*
 * No client is accepted without a descriptor for its backend: one is kept back, and given up when there is no other. False: there is none to
 * keep, or to give up.
 */
bool relay_engine_keep_spare(struct relay_engine *engine);
bool relay_engine_give_up_spare(struct relay_engine *engine);

/* Descriptors or memory are short: leaves new connections in the kernel's backlog for a moment. */
void relay_engine_pause_accepting(struct relay_engine *engine);
