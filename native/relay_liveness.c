#include "relay_liveness.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "relay_socket.h"

/*
 * ms; with looks every 5 s a peer that vanished is found after 15 to 20 s. Zero-window probes back off: a peer that is well may have answered the last
 * one long ago, and so they are counted, too.
 */
enum { INTERVAL = 5000, SILENCE = 15000, PROBES = 4, LOOKS_PER_TURN = 256 };

void relay_liveness_watch(struct relay_engine *engine, struct relay_leg *leg) {
  if (!list_is_empty(&leg->looked)) return;
  leg->look = engine->now + INTERVAL;
  list_append(&engine->looked, &leg->looked); /* in the order of their time: all wait equally long */
}

uint64_t relay_liveness_deadline(const struct relay_engine *engine) {
  if (list_is_empty(&engine->looked)) return UINT64_MAX;
  return LIST_ITEM(engine->looked.next, struct relay_leg, looked)->look;
}

void relay_liveness_look(struct relay_engine *engine) {
  for (int i = 0; i < LOOKS_PER_TURN && relay_liveness_deadline(engine) <= engine->now; i++) {
    struct relay_leg *leg = LIST_ITEM(engine->looked.next, struct relay_leg, looked);
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    list_remove(&leg->looked);
    if (!leg->kept_alive) leg->kept_alive = relay_socket_keep_alive(leg->end.fd);
    if (getsockopt(leg->end.fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) continue;
    bool is_unanswered = (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0) || info.tcpi_probes >= PROBES;
    if (is_unanswered && info.tcpi_last_ack_recv >= SILENCE) {
      struct relay_connection *connection = leg->connection;
      bool is_client = leg == &connection->client;
      relay_connection_close(connection, is_client ? RELAY_CLIENT_VANISHED : RELAY_SERVER_VANISHED);
    } else if (info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0) {
      relay_liveness_watch(engine, leg);
    }
  }
}
