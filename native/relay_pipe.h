/* Pipes through which bulk goes from socket to socket without being copied (splice(2)). They are kept for the next flow that wants one. */
#pragma once

#include <stddef.h>

#include "list.h"

/* Two descriptors for each; above this, bulk is copied like everything else. */
enum { RELAY_PIPES_MAX = 16, RELAY_PIPE_SIZE = 1 << 20 };

struct relay_pipe {
  struct list link; /* in pipes->idle while nobody has it */
  int in, out;
  size_t held; /* bytes that are in it */
};

/* The pipes of one engine. */
struct relay_pipes {
  struct list idle;
  unsigned count;
};

void relay_pipes_init(struct relay_pipes *pipes);

/* An empty pipe, or NULL when there are enough of them, or the kernel gives no large one. */
struct relay_pipe *relay_pipe_take(struct relay_pipes *pipes);

/* Gives one back; one that still holds something is closed. */
void relay_pipe_return(struct relay_pipes *pipes, struct relay_pipe *pipe);

void relay_pipes_close(struct relay_pipes *pipes);
