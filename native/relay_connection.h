/* A client's connection and the one made for it to a backend. All of it is for the engine's thread. */
#pragma once

#include "relay_backend.h"
#include "relay_ending.h"
#include "relay_engine.h"
#include "relay_flow.h"

struct relay_shard;
struct relay_connection;

/* One of the two sockets, as an event sees it. */
struct relay_leg {
  struct relay_source source; /* must be first */
  struct relay_connection *connection;
  struct relay_end end;
  struct list looked; /* in engine->looked while data may be unacknowledged */
  uint64_t look;      /* when, in the engine's ms */
  bool kept_alive;    /* by the kernel */
};

struct relay_connection {
  struct list link;     /* in engine->connections, in the end in engine->closed */
  struct list busy;     /* in engine->busy */
  struct list timed;    /* in engine->deadlines */
  uint64_t deadline;    /* of the attempt under way */
  uint64_t patience;    /* until when it waits for a descriptor; 0 when it does not */
  enum { RELAY_CONNECTING, RELAY_OPEN, RELAY_CLOSED } state;
  struct relay_engine *engine;
  struct relay_shard *shard; /* by which it came; keeps the listener */
  struct relay_backend *backend; /* NULL between attempts */
  struct relay_tried tried;
  bool timed_out; /* the last attempt: nobody answered */
  struct relay_leg client, server;
  struct relay_flow from_client, to_client;
};

/* Takes over an accepted socket. */
void relay_connection_start(struct relay_shard *shard, int fd);

/* Ends it, in peace when it is done, else with RST to both sides; the memory lives until relay_connections_free_closed(). Twice is fine. */
void relay_connection_close(struct relay_connection *connection, enum relay_ending ending);

/* The server's leg is connected: data flows from now on. */
void relay_connection_open(struct relay_connection *connection);

/* When the earliest deadline is, in the engine's ms; UINT64_MAX when there is none. */
uint64_t relay_connections_deadline(const struct relay_engine *engine);
void relay_connections_expire(struct relay_engine *engine);

/* Goes on with those that had more to do than their share of a turn. */
void relay_connections_continue(struct relay_engine *engine);

/* Resets those of a listener's shard (NULL: of all) to one backend (NULL: to all); those not connected yet go on to the next backend. */
void relay_connections_reset(struct relay_engine *engine, const struct relay_shard *shard, const struct relay_wish *wish);

void relay_connections_free_closed(struct relay_engine *engine);
