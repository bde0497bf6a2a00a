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
  connection->backend->assigned--;
  relay_backend_unref(connection->backend);
  connection->backend = NULL;
  return noted;
}

static bool fail(struct relay_connection *connection) {
  atomic_fetch_add_explicit(&connection->backend->failed, 1, memory_order_relaxed);
  connection->backend->penalty_ends = connection->engine->now + PENALTY;
  return give_up(connection);
}

static void refuse(struct relay_connection *connection) {
  atomic_fetch_add_explicit(&connection->listener->refused, 1, memory_order_relaxed);
  relay_connection_close(connection, true);
}

/* The client keeps waiting for a descriptor, but no longer than a backend may let it wait. */
static void wait_for_descriptor(struct relay_connection *connection) {
  struct relay_engine *engine = connection->engine;
  relay_engine_pause_accepting(engine);
  if (connection->patience == 0) connection->patience = engine->now + connection->listener->table->rules.connect_timeout;
  if (engine->now >= connection->patience) return refuse(connection);
  set_deadline(connection, engine->now + EXHAUSTION_PAUSE);
}

void relay_attempt_next(struct relay_connection *connection) {
  struct relay_engine *engine = connection->engine;
  struct relay_listener *listener = connection->listener;
  for (;;) {
    struct relay_backend *backend = relay_choose(listener->table, &listener->cursor, &connection->tried, engine->now);
    if (backend == NULL) return refuse(connection);
    int fd = relay_socket_connect(&backend->address);
    if (fd < 0 && relay_is_exhaustion(errno)) return wait_for_descriptor(connection);
    connection->patience = 0;
    connection->backend = relay_backend_ref(backend);
    backend->assigned++;
    connection->server.end = (struct relay_end){.fd = fd};
    if (fd >= 0 && relay_engine_watch(engine, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &connection->server.source))
      return set_deadline(connection, engine->now + listener->table->rules.connect_timeout);
    if (!fail(connection)) return refuse(connection);
  }
}

static void go_on(struct relay_connection *connection, bool noted) {
  if (noted) relay_attempt_next(connection);
  else refuse(connection);
}

void relay_attempt_event(struct relay_connection *connection, uint32_t events) {
  int error = 0;
  socklen_t length = sizeof error;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
  getsockopt(connection->server.end.fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
    connection->backend->penalty_ends = 0;
    relay_connection_open(connection);
  } else {
    go_on(connection, fail(connection));
  }
}

void relay_attempt_expired(struct relay_connection *connection) {
  list_remove(&connection->timed);
  go_on(connection, connection->backend == NULL || fail(connection));
}

void relay_attempt_skip(struct relay_connection *connection) {
  go_on(connection, give_up(connection));
}
