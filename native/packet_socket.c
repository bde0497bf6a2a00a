#include "packet_socket.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "event_socket.h"
#include "multicast.h"
#include "packet_filter.h"

/* More than the addresses of any VIP. */
enum { GROUPS_MAX = 256 };

/* Reads an array of IPv6 addresses of bytes; false when it is none, or too long. */
static bool read_groups(napi_env env, napi_value value, struct in6_addr *groups, uint32_t *count) {
  if (napi_get_array_length(env, value, count) != napi_ok || *count > GROUPS_MAX) return false;
  for (uint32_t i = 0; i < *count; i++) {
    napi_value element;
    napi_typedarray_type type;
    size_t length;
    void *bytes;
    if (napi_get_element(env, value, i, &element) != napi_ok) return false;
    if (napi_get_typedarray_info(env, element, &type, &length, &bytes, NULL, NULL) != napi_ok) return false;
    if (type != napi_uint8_array || length != sizeof groups[i]) return false;
    memcpy(&groups[i], bytes, length);
  }
  return true;
}

napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  size_t argument_count = 5;
  int32_t ifindex;
  uint32_t ethertype, group_count;
  struct in6_addr groups[GROUPS_MAX];
  const char *operation;
  int membership = -1;
  TRY(env, napi_get_cb_info(env, info, &argument_count, arguments, NULL, NULL));
  TRY(env, napi_get_value_int32(env, arguments[0], &ifindex));
  TRY(env, napi_get_value_uint32(env, arguments[1], &ethertype));
  bool is_known = ethertype == ETH_P_ARP || ethertype == ETH_P_IPV6;
  if (!is_known || !read_groups(env, arguments[2], groups, &group_count)) return vipd_throw_argument(env), NULL;
  if (group_count > 0) {
    membership = vipd_multicast_join(ifindex, groups, group_count, &operation);
    if (membership < 0) return vipd_throw_errno(env, operation, errno), NULL;
  }
  int fd = vipd_packet_open(ifindex, (uint16_t)ethertype, &operation);
  int error = errno;
  napi_value handle = fd < 0 ? NULL : vipd_event_socket(env, fd, arguments[3], arguments[4]);
  if (handle != NULL) vipd_event_socket_keep(env, handle, membership);
  else if (membership >= 0) close(membership);
  if (fd < 0) vipd_throw_errno(env, operation, error);
  return handle;
}
