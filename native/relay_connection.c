#include "relay_connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "relay_attempt.h"
#include "relay_listener.h"
#include "relay_liveness.h"
#include "relay_proxy_protocol.h"
#include "relay_socket.h"

static void watch_sent(struct relay_engine *engine, struct relay_leg *leg) {
  if (!leg->end.sent) return;
  leg->end.sent = false;
  relay_liveness_watch(engine, leg);
}

/*
 * A broken end is torn down only when nothing can be read from it any more, or the other does not take it: what a peer sent before
 * its reset is passed on as far as that needs no waiting, as if there were no relay between.
 */
static void run_flows(struct relay_connection *connection) {
  struct relay_engine *engine = connection->engine;
  list_remove(&connection->busy);
  bool more_from_client = relay_flow_run(&connection->from_client, &engine->means);
  bool more_to_client = relay_flow_run(&connection->to_client, &engine->means);
  bool done = connection->from_client.finished && connection->to_client.finished;
  if (!done) { /* else close() tells whoever does not know yet */
    relay_flow_pass_end(&connection->from_client);
    relay_flow_pass_end(&connection->to_client);
  }
  if (connection->client.end.broken && !more_from_client) return relay_connection_close(connection, RELAY_CLIENT_BROKE);
  if (connection->server.end.broken && !more_to_client) return relay_connection_close(connection, RELAY_SERVER_BROKE);
  if (done) return relay_connection_close(connection, RELAY_DONE);
  watch_sent(engine, &connection->client);
  watch_sent(engine, &connection->server);
  if (more_from_client || more_to_client) list_append(&engine->busy, &connection->busy);
}

static void leg_ready(struct relay_source *source, uint32_t events) {
  struct relay_leg *leg = (struct relay_leg *)source;
  struct relay_connection *connection = leg->connection;
  if (connection->state == RELAY_CLOSED) return; /* by an earlier event of this turn */
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) leg->end.readable = true;
  if (events & EPOLLOUT) leg->end.writable = true;
  if (events & (EPOLLRDHUP | EPOLLHUP)) leg->end.ending = true;
  if (events & EPOLLERR) leg->end.broken = true;
  if (connection->state == RELAY_OPEN) return run_flows(connection);
  if (leg == &connection->server) return relay_attempt_event(connection, events);
  if (leg->end.broken) relay_connection_close(connection, RELAY_CLIENT_GAVE_UP);
}

void relay_connection_start(struct relay_shard *shard, int fd) {
  struct relay_engine *engine = shard->engine;
  struct relay_connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return relay_socket_close(fd, true);
  connection->engine = engine;
  connection->shard = shard;
  relay_listener_ref(shard->listener);
  atomic_fetch_add_explicit(&shard->listener->connections, 1, memory_order_relaxed);
  connection->client = (struct relay_leg){.source = {leg_ready}, .connection = connection, .end = {.fd = fd}, .kept_alive = true};
  connection->server = (struct relay_leg){.source = {leg_ready}, .connection = connection, .end = {.fd = -1}};
  list_init(&connection->busy);
  list_init(&connection->timed);
  list_init(&connection->client.looked);
  list_init(&connection->server.looked);
  connection->from_client = (struct relay_flow){.from = &connection->client.end, .to = &connection->server.end};
  connection->to_client = (struct relay_flow){.from = &connection->server.end, .to = &connection->client.end};
  list_append(&engine->connections, &connection->link);
  atomic_fetch_add_explicit(&engine->budget->used, 1, memory_order_relaxed);
  bool fetched = relay_flow_fetch(&connection->from_client, &engine->means);
  if (connection->client.end.broken) return relay_connection_close(connection, RELAY_CLIENT_GAVE_UP);
  if (fetched && relay_engine_watch(engine, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &connection->client.source))
    relay_attempt_next(connection);
  else
    relay_connection_close(connection, RELAY_EXHAUSTED);
}

/* Tells the backend who its client is, where it wants to know. */
static bool introduce(struct relay_connection *connection) {
  uint8_t header[RELAY_PROXY_HEADER_MAX];
  if (!connection->shard->table->rules.proxy_protocol) return true;
  return relay_flow_prepend(&connection->from_client, header, relay_proxy_header(connection->client.end.fd, header));
}

void relay_connection_open(struct relay_connection *connection) {
  struct relay_backend *backend = connection->backend;
  connection->state = RELAY_OPEN;
  list_remove(&connection->timed);
  relay_tried_clear(&connection->tried);
  connection->from_client.bytes = &backend->bytes_from_client;
  connection->to_client.bytes = &backend->bytes_to_client;
  connection->client.end.writable = connection->server.end.writable = true;
  /* As if something had been sent: most connections are over before the first look, which asks the kernel to keep this one alive. */
  connection->server.end.sent = true;
  atomic_fetch_add_explicit(&backend->total, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&backend->open, 1, memory_order_relaxed);
  if (!introduce(connection)) return relay_connection_close(connection, RELAY_EXHAUSTED);
  run_flows(connection);
}

static void close_leg(struct relay_connection *connection, struct relay_leg *leg, bool reset) {
  if (leg->end.fd < 0) return;
  relay_engine_unwatch(connection->engine, leg->end.fd);
  relay_socket_close(leg->end.fd, reset);
  leg->end.fd = -1;
  list_remove(&leg->looked);
}

void relay_connection_close(struct relay_connection *connection, enum relay_ending ending) {
  struct relay_engine *engine = connection->engine;
  bool reset = ending != RELAY_DONE;
  if (connection->state == RELAY_CLOSED) return;
  atomic_fetch_add_explicit(&connection->shard->listener->ended[ending], 1, memory_order_relaxed);
  atomic_fetch_sub_explicit(&connection->shard->listener->connections, 1, memory_order_relaxed);
  if (connection->state == RELAY_OPEN) {
    atomic_fetch_sub_explicit(&connection->backend->open, 1, memory_order_relaxed);
    if (reset) atomic_fetch_add_explicit(&connection->backend->reset, 1, memory_order_relaxed);
  }
  if (connection->backend != NULL) atomic_fetch_sub_explicit(&connection->backend->assigned, 1, memory_order_relaxed);
  connection->state = RELAY_CLOSED;
  relay_attempt_stop_waiting(connection);
  close_leg(connection, &connection->client, reset);
  close_leg(connection, &connection->server, reset);
  relay_flow_free(&connection->from_client, &engine->means);
  relay_flow_free(&connection->to_client, &engine->means);
  list_remove(&connection->busy);
  list_remove(&connection->timed);
  list_remove(&connection->link);
  list_append(&engine->closed, &connection->link);
  atomic_fetch_sub_explicit(&engine->budget->used, 1, memory_order_relaxed);
}

uint64_t relay_connections_deadline(const struct relay_engine *engine) {
  if (list_is_empty(&engine->deadlines)) return UINT64_MAX;
  return LIST_ITEM(engine->deadlines.next, struct relay_connection, timed)->deadline;
}

void relay_connections_expire(struct relay_engine *engine) {
  while (relay_connections_deadline(engine) <= engine->now)
    relay_attempt_expired(LIST_ITEM(engine->deadlines.next, struct relay_connection, timed));
}

void relay_connections_continue(struct relay_engine *engine) {
  struct list busy;
  list_move(&engine->busy, &busy);
  while (!list_is_empty(&busy)) run_flows(LIST_ITEM(busy.next, struct relay_connection, busy));
}

void relay_connections_reset(struct relay_engine *engine, const struct relay_shard *shard, const struct relay_wish *wish) {
  for (struct list *link = engine->connections.next, *next; link != &engine->connections; link = next) {
    struct relay_connection *connection = LIST_ITEM(link, struct relay_connection, link);
    next = link->next;
    if (shard != NULL && connection->shard != shard) continue;
    if (wish == NULL) {
      relay_connection_close(connection, RELAY_KILLED);
    } else if (connection->backend != NULL && relay_backend_is(connection->backend, wish)) {
      if (connection->state == RELAY_OPEN) relay_connection_close(connection, RELAY_BACKEND_DOWN);
      else relay_attempt_skip(connection);
    }
  }
}

void relay_connections_free_closed(struct relay_engine *engine) {
  while (!list_is_empty(&engine->closed)) {
    struct relay_connection *connection = LIST_ITEM(engine->closed.next, struct relay_connection, link);
    list_remove(&connection->link);
    relay_tried_clear(&connection->tried);
    if (connection->backend != NULL) relay_backend_unref(connection->backend);
    relay_listener_unref(connection->shard->listener);
    free(connection);
  }
}
