#include "relay_commands.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "relay_listener.h"

struct command {
  struct list link;
  relay_command *run;
  struct relay_shard *shard;
  void *argument;
};

struct relay_commands {
  struct relay_source source;
  struct relay_engine *engine;
  int wake;
  atomic_bool waiting;
  bool running; /* the engine's thread only: one that accepts clients must not have later ones run before those behind it */
  pthread_mutex_t mutex;
  struct list list;
};

/* The engine runs the commands of a turn after its events, so an event on the eventfd only has to be taken away. The daemon causes one a second. */
static void woken(struct relay_source *source, uint32_t events) {
  (void)events;
  struct relay_commands *commands = (struct relay_commands *)source;
  eventfd_t count;
  eventfd_read(commands->wake, &count);
  relay_shards_look(commands->engine);
}

struct relay_commands *relay_commands_create(struct relay_engine *engine) {
  struct relay_commands *commands = calloc(1, sizeof *commands);
  if (commands == NULL) return NULL;
  commands->source.ready = woken;
  commands->engine = engine;
  list_init(&commands->list);
  pthread_mutex_init(&commands->mutex, NULL);
  commands->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (commands->wake >= 0 && relay_engine_watch(engine, commands->wake, EPOLLIN, &commands->source)) return commands;
  int error = errno;
  relay_commands_free(commands);
  errno = error;
  return NULL;
}

void relay_commands_wake(struct relay_commands *commands) { eventfd_write(commands->wake, 1); }

void relay_commands_free(struct relay_commands *commands) {
  if (commands == NULL) return;
  if (commands->wake >= 0) close(commands->wake);
  pthread_mutex_destroy(&commands->mutex);
  free(commands);
}

bool relay_engine_post(struct relay_engine *engine, relay_command *run, struct relay_shard *shard, void *argument) {
  struct relay_commands *commands = engine->commands;
  struct command *command = commands == NULL ? NULL : malloc(sizeof *command);
  if (command == NULL || atomic_load_explicit(&engine->fault, memory_order_acquire) != 0) return free(command), false;
  *command = (struct command){.run = run, .shard = shard, .argument = argument};
  if (shard != NULL) relay_listener_ref(shard->listener);
  pthread_mutex_lock(&commands->mutex);
  list_append(&commands->list, &command->link);
  atomic_store_explicit(&commands->waiting, true, memory_order_release);
  pthread_mutex_unlock(&commands->mutex);
  relay_commands_wake(commands);
  return true;
}

void relay_engine_run_commands(struct relay_engine *engine) {
  struct relay_commands *commands = engine->commands;
  struct list list;
  if (commands->running || !atomic_load_explicit(&commands->waiting, memory_order_acquire)) return;
  pthread_mutex_lock(&commands->mutex);
  list_move(&commands->list, &list);
  atomic_store_explicit(&commands->waiting, false, memory_order_relaxed);
  pthread_mutex_unlock(&commands->mutex);
  commands->running = true;
  while (!list_is_empty(&list)) {
    struct command *command = LIST_ITEM(list.next, struct command, link);
    list_remove(&command->link);
    command->run(engine, command->shard, command->argument);
    if (command->shard != NULL) relay_listener_unref(command->shard->listener);
    free(command);
  }
  commands->running = false;
}
