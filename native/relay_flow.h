/* One direction of a connection: bytes from one socket to the other. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay_pipe.h"

/* The most that is read at once by copying, hence the most that then waits in one direction; in a pipe it is RELAY_PIPE_SIZE. */
enum { RELAY_CHUNK = 256 * 1024 };

/* What is known about a socket. Events are edge-triggered: a flag stays until the kernel says EAGAIN. */
struct relay_end {
  int fd;
  bool readable, writable;
  bool ending; /* the peer's FIN is here or near: a short read does not mean that nothing is left */
  bool broken; /* reset, or given up by the kernel */
  bool sent;   /* something, since somebody looked */
};

struct relay_flow {
  struct relay_end *from, *to;
  atomic_ullong *bytes; /* counts what was handed to the kernel */
  uint8_t *waiting;     /* what `to` did not take; NULL while nothing waits */
  size_t start, length;
  struct relay_pipe *pipe; /* while something waits in one */
  unsigned streak;         /* of reads that speak for bulk, or against it */
  bool bulk;
  bool ended;    /* `from` has sent FIN */
  bool finished; /* and all data was passed on */
  bool told;     /* and `to` was told of the end */
};

/* What the flows of one engine share. */
struct relay_means {
  uint8_t *scratch; /* RELAY_CHUNK bytes */
  struct relay_pipes pipes;
};

/*
 * Moves what can be moved now, up to a bound that keeps one connection from starving the others. True: there is more to do at once.
 * Sets `broken` on the end that turned out to be so.
 */
bool relay_flow_run(struct relay_flow *flow, struct relay_means *means);

/* Tells `to` of the end, if all data was passed on and nobody has told it yet; closing it in peace does so as well. */
void relay_flow_pass_end(struct relay_flow *flow);

/* Takes what is there already, up to a bound, while there is nobody yet to send it to. False when memory is short. */
bool relay_flow_fetch(struct relay_flow *flow, struct relay_means *means);

/* Puts bytes before all that was not sent; nothing may have been sent. False when memory is short. */
bool relay_flow_prepend(struct relay_flow *flow, const uint8_t *data, size_t length);

void relay_flow_free(struct relay_flow *flow, struct relay_means *means);
