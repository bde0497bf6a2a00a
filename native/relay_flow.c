#include "relay_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ROUNDS = 4 };

/* Sends what `to` takes and returns how much that was. A short send arms the next EPOLLOUT (SOCK_NOSPACE in tcp_sendmsg()). */
static size_t send_some(struct relay_flow *flow, const uint8_t *data, size_t length) {
  ssize_t sent;
  do sent = send(flow->to->fd, data, length, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno != EAGAIN) flow->to->broken = true;
    sent = 0;
  }
  if ((size_t)sent < length) flow->to->writable = false;
  atomic_fetch_add_explicit(flow->bytes, (unsigned long long)sent, memory_order_relaxed);
  return (size_t)sent;
}

static void send_waiting(struct relay_flow *flow) {
  size_t sent = send_some(flow, flow->waiting + flow->start, flow->length);
  flow->start += sent;
  flow->length -= sent;
  if (flow->length == 0) relay_flow_free(flow);
}

static void pass_on(struct relay_flow *flow, const uint8_t *data, size_t length) {
  size_t sent = send_some(flow, data, length);
  if (sent == length || flow->to->broken) return;
  flow->waiting = malloc(length - sent);
  if (flow->waiting == NULL) { /* Bytes are lost: both ends must learn of it. */
    flow->to->broken = true;
    return;
  }
  memcpy(flow->waiting, data + sent, length - sent);
  flow->start = 0;
  flow->length = length - sent;
}

bool relay_flow_run(struct relay_flow *flow, uint8_t *scratch) {
  struct relay_end *from = flow->from, *to = flow->to;
  for (int round = 0; round < ROUNDS; round++) {
    if (flow->finished || to->broken) return false;
    if (flow->length > 0) {
      if (!to->writable) return false;
      send_waiting(flow);
      continue;
    }
    if (flow->ended) {
      shutdown(to->fd, SHUT_WR);
      flow->finished = true;
      return false;
    }
    if (!from->readable || !to->writable) return false;
    ssize_t length = recv(from->fd, scratch, RELAY_CHUNK, 0);
    if (length > 0) {
      if (length < RELAY_CHUNK && !from->ending && !from->broken) from->readable = false;
      pass_on(flow, scratch, (size_t)length);
    } else if (length == 0) {
      from->readable = false;
      if (from->broken) return false; /* a reset whose error was told already reads as an end; it must not become a FIN */
      flow->ended = true;
    } else if (errno != EINTR) {
      from->readable = false;
      if (errno != EAGAIN) from->broken = true;
    }
  }
  return true;
}

void relay_flow_free(struct relay_flow *flow) {
  free(flow->waiting);
  flow->waiting = NULL;
  flow->start = flow->length = 0;
}
