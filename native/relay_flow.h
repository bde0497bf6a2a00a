/* One direction of a connection: bytes from one socket to the other. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that is read at once, hence the most that ever waits in one direction. */
enum { RELAY_CHUNK = 256 * 1024 };

/* What is known about a socket. Events are edge-triggered: a flag stays until the kernel says EAGAIN. */
struct relay_end {
  int fd;
  bool readable, writable;
  bool ending; /* the peer's FIN is here or near: a short read does not mean that nothing is left */
  bool broken; /* reset, or given up by the kernel */
};

struct relay_flow {
  struct relay_end *from, *to;
  atomic_ullong *bytes; /* counts what was handed to the kernel */
  uint8_t *waiting;     /* what `to` did not take; NULL while nothing waits */
  size_t start, length;
  bool ended;    /* `from` has sent FIN */
  bool finished; /* and it was passed on, after all data */
};

/*
 * Moves what can be moved now, up to a bound that keeps one connection from starving the others. True: there is more to do at once.
 * `scratch` holds RELAY_CHUNK bytes. Sets `broken` on the end that turned out to be so.
 */
bool relay_flow_run(struct relay_flow *flow, uint8_t *scratch);

void relay_flow_free(struct relay_flow *flow);
