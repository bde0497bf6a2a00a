#include "relay_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libuv.h"
#include "relay_commands.h"
#include "relay_connection.h"
#include "relay_fault.h"
#include "relay_flow.h"
#include "relay_listener.h"
#include "relay_liveness.h"

enum { EVENTS_PER_TURN = 256, ACCEPT_PAUSE = 10, END_PATIENCE = 2000 /* ms */ };

/* The thread belongs to whoever created the engine, its end included. */
struct engine_and_thread {
  struct relay_engine engine;
  uv_thread_t thread;
};

static uint64_t monotonic(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

bool relay_engine_watch(struct relay_engine *engine, int fd, uint32_t events, struct relay_source *source) {
  struct epoll_event event = {.events = events, .data.ptr = source};
  return epoll_ctl(engine->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void relay_engine_unwatch(struct relay_engine *engine, int fd) { epoll_ctl(engine->epoll, EPOLL_CTL_DEL, fd, NULL); }

bool relay_engine_keep_spare(struct relay_engine *engine) {
  if (engine->spare < 0) engine->spare = fcntl(engine->ended, F_DUPFD_CLOEXEC, 0);
  return engine->spare >= 0;
}

bool relay_engine_give_up_spare(struct relay_engine *engine) {
  if (engine->spare < 0) return false;
  close(engine->spare);
  engine->spare = -1;
  return true;
}

static void watch_shards(struct relay_engine *engine, bool on) {
  for (struct list *link = engine->shards.next; link != &engine->shards; link = link->next)
    relay_shard_watch(LIST_ITEM(link, struct relay_shard, link), on);
}

void relay_engine_pause_accepting(struct relay_engine *engine) {
  if (engine->accepting_paused == 0) watch_shards(engine, false);
  engine->accepting_paused = engine->now + ACCEPT_PAUSE;
}

static void resume_accepting(struct relay_engine *engine) {
  if (engine->accepting_paused == 0 || engine->now < engine->accepting_paused) return;
  engine->accepting_paused = 0;
  watch_shards(engine, true);
}

/* ms until the next thing to do without an event, rounded up; -1 for never. */
static int patience(const struct relay_engine *engine) {
  if (!list_is_empty(&engine->busy)) return 0;
  uint64_t next = relay_connections_deadline(engine);
  uint64_t look = relay_liveness_deadline(engine);
  if (look < next) next = look;
  if (engine->accepting_paused != 0 && engine->accepting_paused < next) next = engine->accepting_paused;
  if (next == UINT64_MAX) return -1;
  uint64_t now = monotonic();
  return next <= now ? 0 : (int)(next - now);
}

static void turn(struct relay_engine *engine) {
  struct epoll_event events[EVENTS_PER_TURN];
  int count = epoll_wait(engine->epoll, events, EVENTS_PER_TURN, patience(engine));
  engine->now = monotonic();
  atomic_fetch_add_explicit(&engine->turns, 1, memory_order_relaxed);
  for (int i = 0; i < count; i++) {
    struct relay_source *source = events[i].data.ptr;
    source->ready(source, events[i].events);
  }
  relay_engine_run_commands(engine);
  resume_accepting(engine);
  for (struct list *link = engine->shards.next; link != &engine->shards; link = link->next)
    relay_shard_accept(LIST_ITEM(link, struct relay_shard, link));
  relay_connections_expire(engine);
  relay_liveness_look(engine);
  relay_connections_continue(engine);
  relay_connections_free_closed(engine);
  relay_shards_free_closed(engine);
}

/*
 * Elections come before data: a daemon that was given priority (a unit with Nice=-15) has it for the thread that elects and announces, not for
 * what may use whole processors. In Linux each thread has its own.
 */
static void give_precedence(void) {
  if (getpriority(PRIO_PROCESS, 0) < 0) setpriority(PRIO_PROCESS, 0, 0);
}

static void run(void *argument) {
  struct relay_engine *engine = argument;
  give_precedence();
  prctl(PR_SET_NAME, "vipd-relay");
  relay_fault_own(engine);
  while (!atomic_load_explicit(&engine->stopping, memory_order_acquire)) turn(engine);
  relay_engine_run_commands(engine);
  relay_connections_reset(engine, NULL, NULL);
  relay_connections_free_closed(engine);
  for (struct list *link = engine->shards.next; link != &engine->shards; link = link->next)
    relay_shard_close(LIST_ITEM(link, struct relay_shard, link));
  relay_shards_free_closed(engine);
  eventfd_write(engine->ended, 1);
}

/* Gives back everything but the engine's own memory, which others may still point to. */
static void release(struct relay_engine *engine) {
  relay_commands_free(engine->commands);
  engine->commands = NULL;
  if (engine->epoll >= 0) close(engine->epoll);
  if (engine->ended >= 0) close(engine->ended);
  engine->epoll = engine->ended = -1;
  relay_engine_give_up_spare(engine);
  free(engine->means.scratch);
  engine->means.scratch = NULL;
  relay_pipes_close(&engine->means.pipes);
}

struct relay_engine *relay_engine_create(struct relay_budget *budget, const char **operation) {
  *operation = "malloc";
  struct engine_and_thread *both = calloc(1, sizeof *both);
  if (both == NULL) return NULL;
  struct relay_engine *engine = &both->engine;
  engine->references = 1;
  engine->budget = budget;
  engine->now = monotonic();
  list_init(&engine->connections);
  list_init(&engine->deadlines);
  list_init(&engine->busy);
  list_init(&engine->looked);
  list_init(&engine->closed);
  list_init(&engine->shards);
  relay_pipes_init(&engine->means.pipes);
  engine->means.scratch = malloc(RELAY_CHUNK);
  *operation = "epoll_create1";
  engine->ended = engine->spare = -1;
  engine->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (engine->means.scratch == NULL || engine->epoll < 0) goto failed;
  *operation = "eventfd";
  engine->ended = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (engine->ended < 0 || !relay_engine_keep_spare(engine)) goto failed;
  engine->commands = relay_commands_create(engine);
  if (engine->commands == NULL) goto failed;
  *operation = "pthread_create";
  int error = uv_thread_create(&both->thread, run, engine);
  if (error == 0) return engine;
  errno = -error;

failed:
  error = errno;
  relay_engine_unref(engine);
  errno = error;
  return NULL;
}

void relay_engine_stop(struct relay_engine *engine) {
  if (engine->commands == NULL) return;
  atomic_store_explicit(&engine->stopping, true, memory_order_release);
  relay_commands_wake(engine->commands);
}

/* A thread that stands still cannot be joined, and its memory not be freed: what it has goes with the process. */
static bool has_ended(struct relay_engine *engine) {
  struct pollfd ended = {.fd = engine->ended, .events = POLLIN};
  int patience = atomic_load_explicit(&engine->fault, memory_order_acquire) == 0 ? END_PATIENCE : 0;
  return poll(&ended, 1, patience) > 0;
}

void relay_engine_join(struct relay_engine *engine) {
  if (engine->commands == NULL) return;
  if (!has_ended(engine)) {
    relay_engine_ref(engine);
    return;
  }
  uv_thread_join(&((struct engine_and_thread *)engine)->thread);
  release(engine);
}

unsigned long relay_engine_turns(struct relay_engine *engine, int *fault) {
  *fault = atomic_load_explicit(&engine->fault, memory_order_acquire);
  if (engine->commands != NULL && *fault == 0) relay_commands_wake(engine->commands);
  return atomic_load_explicit(&engine->turns, memory_order_relaxed);
}

struct relay_engine *relay_engine_ref(struct relay_engine *engine) {
  atomic_fetch_add_explicit(&engine->references, 1, memory_order_relaxed);
  return engine;
}

void relay_engine_unref(struct relay_engine *engine) {
  if (atomic_fetch_sub_explicit(&engine->references, 1, memory_order_acq_rel) > 1) return;
  release(engine);
  free(engine);
}
