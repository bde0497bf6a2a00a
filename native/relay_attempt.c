#include "relay_attempt.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "relay_listener.h"
#include "relay_socket.h"

/*
 * ms. A backend that has just failed is chosen last for so long, so that not every client waits out the connect timeout of a dead
 * one until the health check takes it from the table. And how soon a lack of descriptors is looked at again.
 */
enum { PENALTY = 1000, EXHAUSTION_PAUSE = 10 };

static void set_deadline(struct relay_connection *connection, uint64_t deadline) {
  struct list *place = connection->engine->deadlines.previous;
  connection->deadline = deadline;
  list_remove(&connection->timed);
  /* From the end: nearly always the new one is the latest. */
  while (place != &connection->engine->deadlines && LIST_ITEM(place, struct relay_connection, timed)->deadline > deadline)
    place = place->previous;
  list_insert_after(place, &connection->timed);
}

/* Ends the attempt under way; the backend is not chosen again for this connection. False when memory is too short to note that. */
static bool give_up(struct relay_connection *connection) {
  if (connection->server.end.fd >= 0) {
    relay_engine_unwatch(connection->engine, connection->server.end.fd);
    relay_socket_close(connection->server.end.fd, true);
  }
  connection->server.end = (struct relay_end){.fd = -1};
  bool noted = relay_tried_add(&connection->tried, connection->backend);
  atomic_fetch_sub_explicit(&connection->backend->assigned, 1, memory_order_relaxed);
  relay_backend_unref(connection->backend);
  connection->backend = NULL;
  return noted;
}

static bool fail(struct relay_connection *connection, bool timed_out) {
  connection->timed_out = timed_out;
  atomic_fetch_add_explicit(&connection->backend->failed, 1, memory_order_relaxed);
  atomic_store_explicit(&connection->backend->penalty_ends, connection->engine->now + PENALTY, memory_order_relaxed);
  return give_up(connection);
}

static void refuse(struct relay_connection *connection, enum relay_ending ending) {
  atomic_fetch_add_explicit(&connection->shard->listener->refused, 1, memory_order_relaxed);
  relay_connection_close(connection, ending);
}

void relay_attempt_stop_waiting(struct relay_connection *connection) {
  if (connection->patience == 0) return;
  connection->patience = 0;
  atomic_fetch_sub_explicit(&connection->engine->budget->waiting, 1, memory_order_relaxed);
}

/*
 * The rest of the process, or another engine's client, was faster than this one's backend to take the spare descriptor. The client keeps waiting,
 * and is the first to be served, but no longer than a backend may let it wait.
 */
static void wait_for_descriptor(struct relay_connection *connection) {
  struct relay_engine *engine = connection->engine;
  relay_engine_pause_accepting(engine);
  if (connection->patience == 0) {
    connection->patience = engine->now + connection->shard->table->rules.connect_timeout;
    atomic_fetch_add_explicit(&engine->budget->waiting, 1, memory_order_relaxed);
  }
  if (engine->now >= connection->patience) return refuse(connection, RELAY_EXHAUSTED);
  set_deadline(connection, engine->now + EXHAUSTION_PAUSE);
}

static void succeed(struct relay_connection *connection) {
  atomic_store_explicit(&connection->backend->penalty_ends, 0, memory_order_relaxed);
  relay_connection_open(connection);
}

void relay_attempt_next(struct relay_connection *connection) {
  struct relay_engine *engine = connection->engine;
  struct relay_table *table = connection->shard->table;
  for (;;) {
    atomic_size_t *cursor = &connection->shard->listener->cursor;
    struct relay_backend *backend = relay_choose(table, cursor, &connection->tried, engine->now);
    if (backend == NULL) return refuse(connection, connection->timed_out ? RELAY_TIMED_OUT : RELAY_REFUSED);
    bool connected = false, speaks = connection->from_client.length > 0 || table->rules.proxy_protocol;
    int fd = relay_socket_connect(&backend->address, speaks, &connected);
    if (fd < 0 && relay_is_exhaustion(errno) && relay_engine_give_up_spare(engine))
      fd = relay_socket_connect(&backend->address, speaks, &connected);
    if (fd < 0 && relay_is_exhaustion(errno)) return wait_for_descriptor(connection);
    relay_attempt_stop_waiting(connection);
    connection->backend = relay_backend_ref(backend);
    atomic_fetch_add_explicit(&backend->assigned, 1, memory_order_relaxed);
    connection->server.end = (struct relay_end){.fd = fd};
    if (fd >= 0 && relay_engine_watch(engine, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &connection->server.source))
      return connected ? succeed(connection) : set_deadline(connection, engine->now + table->rules.connect_timeout);
    if (!fail(connection, false)) return refuse(connection, RELAY_EXHAUSTED);
  }
}

static void go_on(struct relay_connection *connection, bool noted) {
  if (noted) relay_attempt_next(connection);
  else refuse(connection, RELAY_EXHAUSTED);
}

void relay_attempt_event(struct relay_connection *connection, uint32_t events) {
  int error = 0;
  socklen_t length = sizeof error;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
  getsockopt(connection->server.end.fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
    succeed(connection);
  } else {
    go_on(connection, fail(connection, false));
  }
}

void relay_attempt_expired(struct relay_connection *connection) {
  list_remove(&connection->timed);
  go_on(connection, connection->backend == NULL || fail(connection, true));
}

void relay_attempt_skip(struct relay_connection *connection) {
  go_on(connection, give_up(connection));
}
