#include "relay_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libuv.h"
#include "relay_commands.h"
#include "relay_connection.h"
#include "relay_flow.h"
#include "relay_listener.h"

enum { EVENTS_PER_TURN = 256, ACCEPT_PAUSE = 10 /* ms */, DESCRIPTORS_KEPT = 256 };

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

static void watch_listeners(struct relay_engine *engine, uint32_t events) {
  for (struct list *link = engine->listeners.next; link != &engine->listeners; link = link->next)
    relay_listener_watch(LIST_ITEM(link, struct relay_listener, link), events);
}

void relay_engine_pause_accepting(struct relay_engine *engine) {
  if (engine->accepting_paused == 0) watch_listeners(engine, 0);
  engine->accepting_paused = engine->now + ACCEPT_PAUSE;
}

static void resume_accepting(struct relay_engine *engine) {
  if (engine->accepting_paused == 0 || engine->now < engine->accepting_paused) return;
  engine->accepting_paused = 0;
  watch_listeners(engine, EPOLLIN);
}

/* ms until the next thing to do without an event, rounded up; -1 for never. */
static int patience(const struct relay_engine *engine) {
  if (!list_is_empty(&engine->busy)) return 0;
  uint64_t next = relay_connections_deadline(engine);
  if (engine->accepting_paused != 0 && engine->accepting_paused < next) next = engine->accepting_paused;
  if (next == UINT64_MAX) return -1;
  uint64_t now = monotonic();
  return next <= now ? 0 : (int)(next - now);
}

static void turn(struct relay_engine *engine) {
  struct epoll_event events[EVENTS_PER_TURN];
  int count = epoll_wait(engine->epoll, events, EVENTS_PER_TURN, patience(engine));
  engine->now = monotonic();
  for (int i = 0; i < count; i++) {
    struct relay_source *source = events[i].data.ptr;
    source->ready(source, events[i].events);
  }
  relay_engine_run_commands(engine);
  resume_accepting(engine);
  for (struct list *link = engine->listeners.next; link != &engine->listeners; link = link->next)
    relay_listener_accept(LIST_ITEM(link, struct relay_listener, link));
  relay_connections_expire(engine);
  relay_connections_continue(engine);
  relay_connections_free_closed(engine);
  relay_listeners_free_closed(engine);
}

static void run(void *argument) {
  struct relay_engine *engine = argument;
  prctl(PR_SET_NAME, "vipd-relay");
  while (!engine->stopping) turn(engine);
  relay_connections_reset(engine, NULL, NULL);
  relay_connections_free_closed(engine);
  for (struct list *link = engine->listeners.next; link != &engine->listeners; link = link->next)
    relay_listener_close(LIST_ITEM(link, struct relay_listener, link));
  relay_listeners_free_closed(engine);
}

/* Half of the descriptors that this process may have, less what the rest of it needs, since a connection has two. */
static unsigned connections_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1 << 30) return 1 << 29;
  unsigned descriptors = (unsigned)limit.rlim_cur;
  unsigned kept = descriptors / 4 < DESCRIPTORS_KEPT ? descriptors / 4 : DESCRIPTORS_KEPT;
  return (descriptors - kept) / 2;
}

/* Gives back everything but the engine's own memory, which others may still point to. */
static void release(struct relay_engine *engine) {
  relay_commands_free(engine->commands);
  engine->commands = NULL;
  if (engine->epoll >= 0) close(engine->epoll);
  engine->epoll = -1;
  free(engine->scratch);
  engine->scratch = NULL;
}

struct relay_engine *relay_engine_create(const char **operation) {
  *operation = "malloc";
  struct engine_and_thread *both = calloc(1, sizeof *both);
  if (both == NULL) return NULL;
  struct relay_engine *engine = &both->engine;
  engine->references = 1;
  engine->connections_max = connections_limit();
  engine->now = monotonic();
  list_init(&engine->connections);
  list_init(&engine->deadlines);
  list_init(&engine->busy);
  list_init(&engine->closed);
  list_init(&engine->listeners);
  engine->scratch = malloc(RELAY_CHUNK);
  *operation = "epoll_create1";
  engine->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (engine->scratch == NULL || engine->epoll < 0) goto failed;
  *operation = "eventfd";
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

static void stop(struct relay_engine *engine, struct relay_listener *listener, void *argument) {
  (void)listener;
  (void)argument;
  engine->stopping = true;
}

void relay_engine_stop(struct relay_engine *engine) {
  if (!relay_engine_post(engine, stop, NULL, NULL)) return;
  uv_thread_join(&((struct engine_and_thread *)engine)->thread);
  release(engine);
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
