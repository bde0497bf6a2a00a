#include "relay_proxy_protocol.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum { LOCAL = 0x20, PROXY = 0x21, UNSPECIFIED = 0x00, TCP_OVER_IPV4 = 0x11, TCP_OVER_IPV6 = 0x21, ORIGINAL_DST = 80 };

/* Where the client was going before the redirect of VIP:port (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST); without one, where it came. */
static int destination(int fd, int family, struct sockaddr_storage *address) {
  socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  if (getsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, ORIGINAL_DST, address, &length) == 0) return 0;
  length = sizeof *address;
  return getsockname(fd, (struct sockaddr *)address, &length);
}

static size_t put(uint8_t *header, size_t at, const void *bytes, size_t length) {
  memcpy(header + at, bytes, length);
  return at + length;
}

size_t relay_proxy_header(int fd, uint8_t header[RELAY_PROXY_HEADER_MAX]) {
  struct sockaddr_storage client = {0}, service = {0};
  socklen_t length = sizeof client;
  size_t end = put(header, 0, signature, sizeof signature);
  bool is_known = getpeername(fd, (struct sockaddr *)&client, &length) == 0 && destination(fd, client.ss_family, &service) == 0;
  if (!is_known) return put(header, end, (uint8_t[]){LOCAL, UNSPECIFIED, 0, 0}, 4);
  if (client.ss_family == AF_INET) {
    const struct sockaddr_in *from = (struct sockaddr_in *)&client, *to = (struct sockaddr_in *)&service;
    end = put(header, end, (uint8_t[]){PROXY, TCP_OVER_IPV4, 0, 12}, 4);
    end = put(header, end, &from->sin_addr, 4);
    end = put(header, end, &to->sin_addr, 4);
    end = put(header, end, &from->sin_port, 2);
    return put(header, end, &to->sin_port, 2);
  }
  const struct sockaddr_in6 *from = (struct sockaddr_in6 *)&client, *to = (struct sockaddr_in6 *)&service;
  end = put(header, end, (uint8_t[]){PROXY, TCP_OVER_IPV6, 0, 36}, 4);
  end = put(header, end, &from->sin6_addr, 16);
  end = put(header, end, &to->sin6_addr, 16);
  end = put(header, end, &from->sin6_port, 2);
  return put(header, end, &to->sin6_port, 2);
}
