#define _GNU_SOURCE
#include "relay_listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "relay_connection.h"
#include "relay_socket.h"

enum { ACCEPTS_PER_TURN = 64 };

static void listener_ready(struct relay_source *source, uint32_t events) {
  (void)events;
  ((struct relay_listener *)source)->ready = true;
}

static void add(struct relay_engine *engine, struct relay_listener *listener, void *argument) {
  (void)argument;
  list_append(&engine->listeners, &relay_listener_ref(listener)->link);
  /* Level-triggered: what is left in the backlog after a turn's share is reported again. */
  if (!relay_engine_watch(engine, listener->fd, engine->accepting_paused == 0 ? EPOLLIN : 0, &listener->source))
    relay_listener_close(listener);
}

struct relay_listener *relay_listener_create(struct relay_engine *engine, const struct relay_address *address, bool freebind,
                                             const char **operation) {
  int fd = relay_socket_listen(address, freebind, operation);
  if (fd < 0) return NULL;
  struct relay_listener *listener = calloc(1, sizeof *listener);
  if (listener != NULL) {
    listener->source.ready = listener_ready;
    listener->references = 1;
    listener->engine = relay_engine_ref(engine);
    listener->fd = fd;
    listener->port = relay_socket_port(fd);
    list_init(&listener->link);
    if (relay_engine_post(engine, add, listener, NULL)) return listener;
    relay_listener_unref(listener);
  }
  relay_socket_close(fd, true);
  *operation = "relay";
  errno = engine->commands == NULL ? EBADF : ENOMEM;
  return NULL;
}

struct relay_listener *relay_listener_ref(struct relay_listener *listener) {
  atomic_fetch_add_explicit(&listener->references, 1, memory_order_relaxed);
  return listener;
}

void relay_listener_unref(struct relay_listener *listener) {
  if (atomic_fetch_sub_explicit(&listener->references, 1, memory_order_acq_rel) > 1) return;
  relay_table_free(listener->table);
  relay_roster_clear(&listener->roster);
  relay_engine_unref(listener->engine);
  free(listener);
}

static void replace_table(struct relay_engine *engine, struct relay_listener *listener, void *table) {
  (void)engine;
  relay_table_free(listener->table);
  listener->table = table;
}

void relay_listener_replace_table(struct relay_listener *listener, struct relay_table *table) {
  if (!relay_engine_post(listener->engine, replace_table, listener, table)) relay_table_free(table);
}

/* What waits in the backlog thinks that it is connected: it is reset like the others. */
static void reset_waiting(struct relay_listener *listener) {
  for (;;) {
    int fd = listener->fd < 0 ? -1 : accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) relay_socket_close(fd, true);
    else if (listener->fd < 0 || (errno != ECONNABORTED && errno != EINTR)) return;
  }
}

static void reset(struct relay_engine *engine, struct relay_listener *listener, void *wish) {
  relay_connections_reset(engine, listener, wish);
  if (wish == NULL) {
    reset_waiting(listener);
    atomic_fetch_add_explicit(&listener->resets, 1, memory_order_release);
  }
  free(wish);
}

/* In one piece of memory, with the name behind. */
static struct relay_wish *copy_wish(const struct relay_wish *wish) {
  size_t length = strlen(wish->name) + 1;
  struct relay_wish *copy = malloc(sizeof *copy + length);
  if (copy == NULL) return NULL;
  *copy = (struct relay_wish){.name = memcpy(copy + 1, wish->name, length), .address = wish->address};
  return copy;
}

void relay_listener_reset(struct relay_listener *listener, const struct relay_wish *wish) {
  struct relay_wish *copy = wish == NULL ? NULL : copy_wish(wish);
  if (wish != NULL && copy == NULL) return;
  if (!relay_engine_post(listener->engine, reset, listener, copy)) free(copy);
}

static void stop(struct relay_engine *engine, struct relay_listener *listener, void *argument) {
  (void)engine;
  (void)argument;
  relay_listener_close(listener);
}

/*
 * shutdown() on a listening socket resets what waits in the backlog and refuses from then on (inet_csk_listen_stop()); the
 * descriptor stays valid until the engine closes it.
 */
void relay_listener_stop(struct relay_listener *listener) {
  if (listener->stopped || listener->engine->commands == NULL) return;
  listener->stopped = true;
  shutdown(listener->fd, SHUT_RD);
  relay_engine_post(listener->engine, stop, listener, NULL);
}

void relay_listener_watch(struct relay_listener *listener, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = &listener->source};
  if (listener->fd >= 0) epoll_ctl(listener->engine->epoll, EPOLL_CTL_MOD, listener->fd, &event);
}

/*
 * accept4() also reports errors that belong to one connection which is gone already (accept(2), "Error handling"); the next may be
 * well, so only the ends of the queue, of the socket and of the machine's means stop the loop.
 */
void relay_listener_accept(struct relay_listener *listener) {
  struct relay_engine *engine = listener->engine;
  if (!listener->ready) return;
  listener->ready = false;
  for (int count = 0; count < ACCEPTS_PER_TURN && listener->fd >= 0 && engine->accepting_paused == 0; count++) {
    if (engine->connections_count >= engine->connections_max) return relay_engine_pause_accepting(engine);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      relay_engine_run_commands(engine); /* A table that was set before this client came must be the one that it gets. */
      relay_connection_start(listener, fd);
    } else if (relay_is_exhaustion(errno)) {
      relay_engine_pause_accepting(engine);
    } else if (errno == EAGAIN || errno == EINVAL || errno == EBADF) {
      return;
    }
  }
}

void relay_listener_close(struct relay_listener *listener) {
  if (listener->fd < 0) return;
  relay_engine_unwatch(listener->engine, listener->fd);
  relay_socket_close(listener->fd, true);
  listener->fd = -1;
}

void relay_listeners_free_closed(struct relay_engine *engine) {
  for (struct list *link = engine->listeners.next, *next; link != &engine->listeners; link = next) {
    struct relay_listener *listener = LIST_ITEM(link, struct relay_listener, link);
    next = link->next;
    if (listener->fd >= 0) continue;
    list_remove(link);
    relay_listener_unref(listener);
  }
}
