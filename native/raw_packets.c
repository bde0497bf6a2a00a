#include "raw_packets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes, doubled by the kernel: some thousand packets to neighbours that do not answer, which wait for them in the queue. */
static const int send_buffer = 4 * 1024 * 1024;

struct raw_sockets {
  int ipv4, ipv6;
};

/* With IPPROTO_RAW the caller writes the header (raw(7), ipv6_create in the kernel), and nothing is received. */
static int open_raw(int family) {
  int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  /* Past net.core.wmem_max with CAP_NET_ADMIN in the first user namespace, up to it without. */
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof send_buffer) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  return fd;
}

static bool send_ipv4(int fd, const struct ip *packet, size_t length) {
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = packet->ip_dst};
  return sendto(fd, packet, length, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to) >= 0;
}

static bool send_ipv6(int fd, const struct ip6_hdr *packet, size_t length) {
  const struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = packet->ip6_dst};
  return sendto(fd, packet, length, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to) >= 0;
}

static int version_of(const uint8_t *packet, size_t length) {
  return length > 0 ? packet[0] >> 4 : 0;
}

bool vipd_raw_send_packet(int fd, const uint8_t *packet, size_t length) {
  int version = version_of(packet, length);
  if (version == 4 && length >= sizeof(struct ip)) return send_ipv4(fd, (const struct ip *)packet, length);
  if (version == 6 && length >= sizeof(struct ip6_hdr)) return send_ipv6(fd, (const struct ip6_hdr *)packet, length);
  errno = EINVAL;
  return false;
}

/* Whether the packet was sent; -1 with errno when its family has no socket. */
static int send_packet(struct raw_sockets *sockets, const uint8_t *packet, size_t length) {
  int version = version_of(packet, length);
  if (version != 4 && version != 6) return 0;
  int *fd = version == 4 ? &sockets->ipv4 : &sockets->ipv6;
  if (*fd < 0 && (*fd = open_raw(version == 4 ? AF_INET : AF_INET6)) < 0) return -1;
  return vipd_raw_send_packet(*fd, packet, length);
}

static napi_value send_all(napi_env env, napi_value packets, struct raw_sockets *sockets) {
  uint32_t count, taken = 0;
  TRY(env, napi_get_array_length(env, packets, &count));
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    napi_typedarray_type type;
    void *packet;
    size_t length;
    TRY(env, napi_get_element(env, packets, i, &element));
    TRY(env, napi_get_typedarray_info(env, element, &type, &length, &packet, NULL, NULL));
    if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
    int sent = send_packet(sockets, packet, length);
    if (sent < 0) return vipd_throw_errno(env, "socket", errno), NULL;
    taken += (uint32_t)sent;
  }
  napi_value result;
  TRY(env, napi_create_uint32(env, taken, &result));
  return result;
}

napi_value vipd_raw_send(napi_env env, napi_callback_info info) {
  napi_value packets;
  size_t count = 1;
  struct raw_sockets sockets = {-1, -1};
  TRY(env, napi_get_cb_info(env, info, &count, &packets, NULL, NULL));
  napi_value result = send_all(env, packets, &sockets);
  if (sockets.ipv4 >= 0) close(sockets.ipv4);
  if (sockets.ipv6 >= 0) close(sockets.ipv6);
  return result;
}
