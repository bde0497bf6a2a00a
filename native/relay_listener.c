#define _GNU_SOURCE
#include "relay_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "relay_connection.h"
#include "relay_socket.h"

/* LAST_ACCEPTS: when it leaves; under a flood that has no end, the rest is for whoever else listens. */
enum { ACCEPTS_PER_TURN = 64, LAST_ACCEPTS = 4096 };

static void shard_ready(struct relay_source *source, uint32_t events) {
  (void)events;
  ((struct relay_shard *)source)->ready = true;
}

/* With an adopted socket there is no hurry, since clients may wait or be served elsewhere: none is taken before there is a table for it. */
static bool may_accept(const struct relay_shard *shard) {
  return !shard->closed && (shard->table != NULL || !shard->listener->adopted);
}

static void add(struct relay_engine *engine, struct relay_shard *shard, void *argument) {
  (void)argument;
  relay_listener_ref(shard->listener);
  list_append(&engine->shards, &shard->link);
  if (engine->accepting_paused == 0) relay_shard_watch(shard, true);
}

/* Takes the socket over, or closes it. */
static struct relay_listener *listen_with(struct relay_group *group, int fd, bool adopted, const char **operation) {
  struct relay_listener *listener = calloc(1, sizeof *listener + group->count * sizeof listener->shards[0]);
  if (listener == NULL) {
    relay_socket_close(fd, true);
    *operation = "malloc";
    return NULL;
  }
  listener->references = 1;
  listener->group = relay_group_ref(group);
  listener->fd = fd;
  listener->adopted = adopted;
  listener->port = relay_socket_port(fd);
  listener->count = listener->open = group->count;
  for (size_t i = 0; i < group->count; i++) {
    struct relay_shard *shard = &listener->shards[i];
    *shard = (struct relay_shard){.source = {shard_ready}, .listener = listener, .engine = group->engines[i]};
    list_init(&shard->link);
  }
  for (size_t i = 0; i < group->count; i++) {
    if (relay_engine_post(group->engines[i], add, &listener->shards[i], NULL)) continue;
    *operation = "relay";
    int error = group->stopped ? EBADF : ENOMEM;
    /* Those that have it give it back; those that have not count as closed. */
    if (atomic_fetch_sub(&listener->open, group->count - i) == group->count - i) relay_socket_close(fd, true);
    listener->count = i;
    if (adopted) relay_listener_leave(listener);
    else relay_listener_stop(listener);
    relay_listener_unref(listener);
    errno = error;
    return NULL;
  }
  return listener;
}

struct relay_listener *relay_listener_create(struct relay_group *group, const struct relay_address *address, bool freebind,
                                             const char **operation) {
  int fd = relay_socket_listen(address, freebind, operation);
  return fd < 0 ? NULL : listen_with(group, fd, false, operation);
}

struct relay_listener *relay_listener_adopt(struct relay_group *group, int fd, const struct relay_address *address,
                                            const char **operation) {
  if (!relay_socket_adopt(fd, address, operation)) return NULL;
  *operation = "fcntl F_DUPFD_CLOEXEC";
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? NULL : listen_with(group, copy, true, operation);
}

struct relay_listener *relay_listener_ref(struct relay_listener *listener) {
  atomic_fetch_add_explicit(&listener->references, 1, memory_order_relaxed);
  return listener;
}

void relay_listener_unref(struct relay_listener *listener) {
  if (atomic_fetch_sub_explicit(&listener->references, 1, memory_order_acq_rel) > 1) return;
  for (size_t i = 0; i < listener->group->count; i++) relay_table_unref(listener->shards[i].table);
  relay_roster_clear(&listener->roster);
  relay_group_unref(listener->group);
  free(listener);
}

static void replace_table(struct relay_engine *engine, struct relay_shard *shard, void *table) {
  bool could_accept = may_accept(shard);
  relay_table_unref(shard->table);
  shard->table = table;
  if (!could_accept && engine->accepting_paused == 0) relay_shard_watch(shard, true);
}

void relay_listener_replace_table(struct relay_listener *listener, struct relay_table *table) {
  atomic_fetch_add_explicit(&table->references, (unsigned)listener->count, memory_order_relaxed);
  for (size_t i = 0; i < listener->count; i++) {
    struct relay_shard *shard = &listener->shards[i];
    if (!relay_engine_post(shard->engine, replace_table, shard, table)) relay_table_unref(table);
  }
  relay_table_unref(table);
}

/* What waits in the backlog thinks that it is connected: it is reset like the others. */
static void reset_waiting(struct relay_shard *shard) {
  for (;;) {
    int fd = shard->closed ? -1 : accept4(shard->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) relay_socket_close(fd, true);
    else if (shard->closed || (errno != ECONNABORTED && errno != EINTR)) return;
  }
}

static void reset(struct relay_engine *engine, struct relay_shard *shard, void *wish) {
  relay_connections_reset(engine, shard, wish);
  if (wish == NULL) {
    reset_waiting(shard);
    atomic_fetch_add_explicit(&shard->resets, 1, memory_order_release);
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
  for (size_t i = 0; i < listener->count; i++) {
    struct relay_shard *shard = &listener->shards[i];
    struct relay_wish *copy = wish == NULL ? NULL : copy_wish(wish);
    if (wish != NULL && copy == NULL) continue;
    if (!relay_engine_post(shard->engine, reset, shard, copy)) free(copy);
  }
}

unsigned relay_listener_resets(const struct relay_listener *listener) {
  unsigned least = UINT32_MAX;
  for (size_t i = 0; i < listener->count; i++) {
    unsigned resets = atomic_load_explicit(&listener->shards[i].resets, memory_order_acquire);
    if (resets < least) least = resets;
  }
  return least;
}

/* Keeps the socket open until let_go(); false when it is closed. */
static bool hold(struct relay_listener *listener) {
  unsigned open = atomic_load_explicit(&listener->open, memory_order_relaxed);
  while (open > 0)
    if (atomic_compare_exchange_weak_explicit(&listener->open, &open, open + 1, memory_order_acquire, memory_order_relaxed))
      return true;
  return false;
}

static void let_go(struct relay_listener *listener) {
  if (atomic_fetch_sub_explicit(&listener->open, 1, memory_order_acq_rel) == 1) relay_socket_close(listener->fd, true);
}

static void stop(struct relay_engine *engine, struct relay_shard *shard, void *argument) {
  (void)engine;
  (void)argument;
  relay_shard_close(shard);
}

/*
 * shutdown() on a listening socket resets what waits in the backlog and refuses from then on (inet_csk_listen_stop()); the
 * descriptor stays valid until the last engine closes it.
 */
void relay_listener_stop(struct relay_listener *listener) {
  if (listener->stopped || listener->group->stopped) return;
  listener->stopped = true;
  if (hold(listener)) {
    shutdown(listener->fd, SHUT_RD);
    let_go(listener);
  }
  for (size_t i = 0; i < listener->count; i++)
    relay_engine_post(listener->shards[i].engine, stop, &listener->shards[i], NULL);
}

static void accept_some(struct relay_shard *shard, int most);

/*
 * Once it watches no longer, no client is announced to it any more; one of whom only this shard was told must not wait for the next to
 * come, so it takes all that wait.
 */
static void leave(struct relay_engine *engine, struct relay_shard *shard, void *argument) {
  (void)argument;
  if (shard->closed) return;
  relay_engine_unwatch(engine, shard->listener->fd);
  accept_some(shard, LAST_ACCEPTS);
  relay_shard_close(shard);
}

void relay_listener_leave(struct relay_listener *listener) {
  if (listener->stopped || listener->group->stopped) return;
  listener->stopped = true;
  for (size_t i = 0; i < listener->count; i++)
    relay_engine_post(listener->shards[i].engine, leave, &listener->shards[i], NULL);
}

int relay_listener_copy(struct relay_listener *listener) {
  errno = EBADF;
  if (listener->stopped || listener->group->stopped || !hold(listener)) return -1;
  int copy = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
  let_go(listener);
  return copy;
}

bool relay_listener_accepts(const struct relay_listener *listener) {
  return atomic_load_explicit(&listener->open, memory_order_acquire) > 0;
}

/*
 * Level-triggered: what is left in the backlog after a turn's share is reported again. Added and removed, because an exclusive watch
 * cannot be changed (epoll_ctl(2)).
 */
void relay_shard_watch(struct relay_shard *shard, bool on) {
  if (!may_accept(shard)) return;
  if (!on) relay_engine_unwatch(shard->engine, shard->listener->fd);
  else if (!relay_engine_watch(shard->engine, shard->listener->fd, EPOLLIN | EPOLLEXCLUSIVE, &shard->source) && errno != EEXIST)
    relay_shard_close(shard);
}

/* For both descriptors of a client; one who was accepted and still lacks the second comes first. */
static bool has_room(struct relay_engine *engine) {
  struct relay_budget *budget = engine->budget;
  if (atomic_load_explicit(&budget->waiting, memory_order_relaxed) > 0) {
    relay_engine_give_up_spare(engine);
    return false;
  }
  return atomic_load_explicit(&budget->used, memory_order_relaxed) < budget->limit && relay_engine_keep_spare(engine);
}

/*
 * accept4() also reports errors that belong to one connection which is gone already (accept(2), "Error handling"); the next may be
 * well, so only the ends of the queue, of the socket and of the machine's means stop the loop.
 */
static void accept_some(struct relay_shard *shard, int most) {
  struct relay_engine *engine = shard->engine;
  for (int count = 0; count < most && may_accept(shard) && engine->accepting_paused == 0; count++) {
    if (!has_room(engine)) return relay_engine_pause_accepting(engine);
    int fd = accept4(shard->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      relay_engine_run_commands(engine); /* A table that was set before this client came must be the one that it gets. */
      relay_connection_start(shard, fd);
    } else if (relay_is_exhaustion(errno)) {
      relay_engine_pause_accepting(engine);
    } else if (errno == EAGAIN || errno == EINVAL || errno == EBADF) {
      return;
    }
  }
}

void relay_shard_accept(struct relay_shard *shard) {
  if (!shard->ready) return;
  shard->ready = false;
  accept_some(shard, ACCEPTS_PER_TURN);
}

void relay_shards_look(struct relay_engine *engine) {
  for (struct list *link = engine->shards.next; link != &engine->shards; link = link->next)
    LIST_ITEM(link, struct relay_shard, link)->ready = true;
}

void relay_shard_close(struct relay_shard *shard) {
  if (shard->closed) return;
  shard->closed = true;
  relay_engine_unwatch(shard->engine, shard->listener->fd);
  let_go(shard->listener);
}

void relay_shards_free_closed(struct relay_engine *engine) {
  for (struct list *link = engine->shards.next, *next; link != &engine->shards; link = next) {
    struct relay_shard *shard = LIST_ITEM(link, struct relay_shard, link);
    next = link->next;
    if (!shard->closed) continue;
    list_remove(link);
    relay_listener_unref(shard->listener);
  }
}
