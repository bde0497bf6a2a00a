#define _GNU_SOURCE
#include "relay_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * A flow is bulk after so many full reads in a row, and none any more after so many small ones: splicing saves two copies and costs a
 * system call, which only large amounts pay for.
 */
enum { ROUNDS = 4, FULL_READS = 3, SMALL_READS = 8, SMALL_READ = 16 * 1024, EARLY_READ = 16 * 1024 };

static void sent_some(struct relay_flow *flow, size_t sent, size_t length) {
  if (sent > 0) flow->to->sent = true;
  /* A short send arms the next EPOLLOUT (SOCK_NOSPACE in tcp_sendmsg_locked()). */
  if (sent < length) flow->to->writable = false;
  atomic_fetch_add_explicit(flow->bytes, (unsigned long long)sent, memory_order_relaxed);
}

/*
 * Sends what `to` takes and returns how much that was. The last bytes wait in the kernel for the end, which follows at once: one segment
 * carries both (tcp_send_fin()), and the peer is woken once.
 */
static size_t send_some(struct relay_flow *flow, const uint8_t *data, size_t length) {
  ssize_t sent;
  do sent = send(flow->to->fd, data, length, flow->ended ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno != EAGAIN) flow->to->broken = true;
    sent = 0;
  }
  sent_some(flow, (size_t)sent, length);
  return (size_t)sent;
}

static void forget_waiting(struct relay_flow *flow) {
  free(flow->waiting);
  flow->waiting = NULL;
  flow->start = flow->length = 0;
}

static void send_waiting(struct relay_flow *flow) {
  size_t sent = send_some(flow, flow->waiting + flow->start, flow->length);
  flow->start += sent;
  flow->length -= sent;
  if (flow->length == 0) forget_waiting(flow);
}

static bool keep(struct relay_flow *flow, const uint8_t *data, size_t length) {
  flow->waiting = malloc(length);
  if (flow->waiting == NULL) return false;
  memcpy(flow->waiting, data, length);
  flow->start = 0;
  flow->length = length;
  return true;
}

static void pass_on(struct relay_flow *flow, const uint8_t *data, size_t length) {
  size_t sent = send_some(flow, data, length);
  if (sent == length || flow->to->broken) return;
  /* Bytes are lost: both ends must learn of it. */
  if (!keep(flow, data + sent, length - sent)) flow->to->broken = true;
}

bool relay_flow_prepend(struct relay_flow *flow, const uint8_t *data, size_t length) {
  struct relay_flow behind = *flow;
  uint8_t *both = malloc(length + behind.length);
  if (both == NULL) return false;
  memcpy(both, data, length);
  if (behind.length > 0) memcpy(both + length, behind.waiting + behind.start, behind.length);
  forget_waiting(flow);
  flow->waiting = both;
  flow->length = length + behind.length;
  return true;
}

/* What a read by recv() or splice() that gave no bytes says. */
static void read_nothing(struct relay_flow *flow, ssize_t length) {
  struct relay_end *from = flow->from;
  if (length == 0) {
    from->readable = false;
    /* A reset whose error was told already reads as an end; it must not become a FIN. */
    if (!from->broken) flow->ended = true;
  } else if (errno != EINTR) {
    from->readable = false;
    if (errno != EAGAIN) from->broken = true;
  }
}

/* Reads up to `size` bytes, and returns how many they were. */
static size_t read_some(struct relay_flow *flow, uint8_t *data, size_t size) {
  ssize_t length = recv(flow->from->fd, data, size, 0);
  if (length > 0) return (size_t)length;
  read_nothing(flow, length);
  return 0;
}

bool relay_flow_fetch(struct relay_flow *flow, struct relay_means *means) {
  size_t length = read_some(flow, means->scratch, EARLY_READ);
  flow->from->readable = length == EARLY_READ;
  return length == 0 || keep(flow, means->scratch, length);
}

static void copy(struct relay_flow *flow, struct relay_means *means) {
  struct relay_end *from = flow->from;
  size_t length = read_some(flow, means->scratch, RELAY_CHUNK);
  if (length == 0) return;
  if (length < RELAY_CHUNK && !from->broken) {
    if (from->ending) length += read_some(flow, means->scratch + length, RELAY_CHUNK - length);
    else from->readable = false;
  }
  flow->streak = length == RELAY_CHUNK ? flow->streak + 1 : 0;
  flow->bulk = flow->streak >= FULL_READS;
  pass_on(flow, means->scratch, length);
}

static void empty_pipe(struct relay_flow *flow, struct relay_means *means) {
  struct relay_pipe *pipe = flow->pipe;
  ssize_t sent;
  do sent = splice(pipe->out, NULL, flow->to->fd, NULL, pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno != EAGAIN) flow->to->broken = true;
    sent = 0;
  }
  sent_some(flow, (size_t)sent, pipe->held);
  pipe->held -= (size_t)sent;
  if (pipe->held > 0) return;
  flow->pipe = NULL;
  relay_pipe_return(&means->pipes, pipe);
}

/* How much a pipe takes depends on how the data lies in memory: a short read does not say that nothing is left. */
static void splice_through(struct relay_flow *flow, struct relay_means *means) {
  struct relay_pipe *pipe = relay_pipe_take(&means->pipes);
  if (pipe == NULL) return copy(flow, means);
  ssize_t length = splice(flow->from->fd, NULL, pipe->in, NULL, RELAY_PIPE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (length <= 0) {
    relay_pipe_return(&means->pipes, pipe);
    return read_nothing(flow, length);
  }
  pipe->held = (size_t)length;
  flow->pipe = pipe;
  flow->streak = length < SMALL_READ ? flow->streak + 1 : 0;
  if (flow->streak >= SMALL_READS) {
    flow->bulk = false;
    flow->streak = 0;
  }
  empty_pipe(flow, means);
}

bool relay_flow_run(struct relay_flow *flow, struct relay_means *means) {
  struct relay_end *from = flow->from, *to = flow->to;
  for (int round = 0; round < ROUNDS; round++) {
    if (flow->finished || to->broken) return false;
    if (flow->ended && flow->length == 0 && flow->pipe == NULL) {
      flow->finished = true;
      return false;
    }
    if (!to->writable) return false;
    if (flow->length > 0) send_waiting(flow);
    else if (flow->pipe != NULL) empty_pipe(flow, means);
    else if (!from->readable) return false;
    else if (flow->bulk) splice_through(flow, means);
    else copy(flow, means);
  }
  return true;
}

void relay_flow_pass_end(struct relay_flow *flow) {
  if (!flow->finished || flow->told) return;
  flow->told = true;
  shutdown(flow->to->fd, SHUT_WR);
}

void relay_flow_free(struct relay_flow *flow, struct relay_means *means) {
  forget_waiting(flow);
  if (flow->pipe != NULL) relay_pipe_return(&means->pipes, flow->pipe);
  flow->pipe = NULL;
}
