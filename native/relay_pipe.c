#define _GNU_SOURCE
#include "relay_pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void relay_pipes_init(struct relay_pipes *pipes) { list_init(&pipes->idle); }

static void close_pipe(struct relay_pipes *pipes, struct relay_pipe *pipe) {
  close(pipe->in);
  close(pipe->out);
  free(pipe);
  pipes->count--;
}

struct relay_pipe *relay_pipe_take(struct relay_pipes *pipes) {
  int ends[2];
  if (!list_is_empty(&pipes->idle)) {
    struct relay_pipe *pipe = LIST_ITEM(pipes->idle.next, struct relay_pipe, link);
    list_remove(&pipe->link);
    return pipe;
  }
  if (pipes->count >= RELAY_PIPES_MAX) return NULL;
  struct relay_pipe *pipe = malloc(sizeof *pipe);
  if (pipe == NULL) return NULL;
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
    free(pipe);
    return NULL;
  }
  *pipe = (struct relay_pipe){.in = ends[1], .out = ends[0]};
  list_init(&pipe->link);
  pipes->count++;
  /* The default of 64 KiB costs more in system calls than the copy; users without privilege have a share of large ones (pipe(7)). */
  if (fcntl(pipe->in, F_SETPIPE_SZ, RELAY_PIPE_SIZE) >= RELAY_PIPE_SIZE) return pipe;
  close_pipe(pipes, pipe);
  return NULL;
}

void relay_pipe_return(struct relay_pipes *pipes, struct relay_pipe *pipe) {
  if (pipe->held > 0) close_pipe(pipes, pipe);
  else list_append(&pipes->idle, &pipe->link);
}

void relay_pipes_close(struct relay_pipes *pipes) {
  while (!list_is_empty(&pipes->idle)) {
    struct relay_pipe *pipe = LIST_ITEM(pipes->idle.next, struct relay_pipe, link);
    list_remove(&pipe->link);
    close_pipe(pipes, pipe);
  }
}
