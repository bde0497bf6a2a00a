#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "descriptor.h"
#include "relay_listener.h"
#include "relay_socket.h"

enum { NAME_MAX_BYTES = 256, IP_MAX_BYTES = 64, THREADS_MAX = 64, WEIGHT_MAX = 256 };

static void environment_ends(void *group) {
  relay_group_stop(group);
  relay_group_unref(group);
}

static void relay_collected(napi_env env, void *group, void *hint) {
  (void)env;
  (void)hint;
  relay_group_unref(group);
}

static void listener_collected(napi_env env, void *listener, void *hint) {
  (void)env;
  (void)hint;
  relay_listener_unref(listener);
}

/* Reads `count` arguments, of which the first is an external; false with an exception when they are not so. */
static bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, void *external) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) == napi_ok &&
      napi_get_value_external(env, arguments[0], external) == napi_ok)
    return true;
  vipd_throw_argument(env);
  return false;
}

napi_value vipd_relay_create(napi_env env, napi_callback_info info) {
  const char *operation;
  napi_value argument, handle;
  size_t given = 1;
  uint32_t threads;
  TRY(env, napi_get_cb_info(env, info, &given, &argument, NULL, NULL));
  TRY(env, napi_get_value_uint32(env, argument, &threads));
  if (threads < 1 || threads > THREADS_MAX) return vipd_throw_argument(env), NULL;
  struct relay_group *group = relay_group_create(threads, &operation);
  if (group == NULL) return vipd_throw_errno(env, operation, errno), NULL;
  if (napi_create_external(env, group, relay_collected, NULL, &handle) != napi_ok) {
    environment_ends(group);
    return vipd_throw_argument(env), NULL;
  }
  napi_add_env_cleanup_hook(env, environment_ends, relay_group_ref(group));
  return handle;
}

napi_value vipd_relay_dispose(napi_env env, napi_callback_info info) {
  struct relay_group *group;
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument, &group) || group->stopped) return NULL;
  napi_remove_env_cleanup_hook(env, environment_ends, group);
  environment_ends(group);
  return NULL;
}

napi_value vipd_relay_turns(napi_env env, napi_callback_info info) {
  struct relay_group *group;
  napi_value argument, list;
  if (!read_arguments(env, info, 1, &argument, &group)) return NULL;
  TRY(env, napi_create_array(env, &list));
  for (size_t i = 0; i < group->count && !group->stopped; i++) {
    int fault;
    napi_value number;
    double turns = (double)relay_engine_turns(group->engines[i], &fault);
    TRY(env, napi_create_double(env, fault == 0 ? turns : -(double)fault, &number));
    TRY(env, napi_set_element(env, list, (uint32_t)i, number));
  }
  return list;
}

/* The handle of a new listener, or the exception why there is none. */
static napi_value listener_value(napi_env env, struct relay_listener *listener, const char *operation) {
  napi_value handle;
  if (listener == NULL) return vipd_throw_errno(env, operation, errno), NULL;
  if (napi_create_external(env, listener, listener_collected, NULL, &handle) == napi_ok) return handle;
  if (listener->adopted) relay_listener_leave(listener);
  else relay_listener_stop(listener);
  relay_listener_unref(listener);
  return vipd_throw_argument(env), NULL;
}

napi_value vipd_relay_listen(napi_env env, napi_callback_info info) {
  struct relay_group *group;
  napi_value arguments[4];
  char ip[IP_MAX_BYTES];
  uint32_t port;
  bool freebind;
  const char *operation;
  struct relay_address address;
  if (!read_arguments(env, info, 4, arguments, &group)) return NULL;
  TRY(env, napi_get_value_string_utf8(env, arguments[1], ip, sizeof ip, NULL));
  TRY(env, napi_get_value_uint32(env, arguments[2], &port));
  TRY(env, napi_get_value_bool(env, arguments[3], &freebind));
  if (port > UINT16_MAX || !relay_address_parse(ip, (uint16_t)port, &address)) return vipd_throw_argument(env), NULL;
  struct relay_listener *listener = relay_listener_create(group, &address, freebind, &operation);
  return listener_value(env, listener, operation);
}

napi_value vipd_relay_adopt(napi_env env, napi_callback_info info) {
  struct relay_group *group;
  napi_value arguments[4];
  char ip[IP_MAX_BYTES];
  uint32_t port;
  const char *operation;
  struct relay_address address;
  if (!read_arguments(env, info, 4, arguments, &group)) return NULL;
  TRY(env, napi_get_value_string_utf8(env, arguments[2], ip, sizeof ip, NULL));
  TRY(env, napi_get_value_uint32(env, arguments[3], &port));
  if (port > UINT16_MAX || !relay_address_parse(ip, (uint16_t)port, &address)) return vipd_throw_argument(env), NULL;
  int fd = vipd_descriptor_fd(env, arguments[1]);
  if (fd < 0) return vipd_throw_errno(env, "adopt (it is closed)", EBADF), NULL;
  struct relay_listener *listener = relay_listener_adopt(group, fd, &address, &operation);
  return listener_value(env, listener, operation);
}

napi_value vipd_relay_descriptor(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument, &listener)) return NULL;
  int copy = relay_listener_copy(listener);
  napi_value descriptor = copy < 0 ? NULL : vipd_descriptor(env, copy);
  if (descriptor == NULL) vipd_throw_errno(env, "fcntl F_DUPFD_CLOEXEC", errno);
  return descriptor;
}

napi_value vipd_relay_leave(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument;
  if (read_arguments(env, info, 1, &argument, &listener)) relay_listener_leave(listener);
  return NULL;
}

napi_value vipd_relay_port(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument, port;
  if (!read_arguments(env, info, 1, &argument, &listener)) return NULL;
  TRY(env, napi_create_uint32(env, listener->port, &port));
  return port;
}

/* A backend as JavaScript has it, and the memory for its name. */
struct described {
  struct relay_wish wish;
  char name[NAME_MAX_BYTES];
};

static bool read_backend(napi_env env, napi_value value, struct described *described) {
  napi_value name, ip, port;
  char text[IP_MAX_BYTES];
  uint32_t number;
  described->wish.name = described->name;
  return napi_get_named_property(env, value, "name", &name) == napi_ok &&
         napi_get_named_property(env, value, "ip", &ip) == napi_ok &&
         napi_get_named_property(env, value, "port", &port) == napi_ok &&
         napi_get_value_string_utf8(env, name, described->name, sizeof described->name, NULL) == napi_ok &&
         napi_get_value_string_utf8(env, ip, text, sizeof text, NULL) == napi_ok &&
         napi_get_value_uint32(env, port, &number) == napi_ok && number > 0 && number <= UINT16_MAX &&
         relay_address_parse(text, (uint16_t)number, &described->wish.address);
}

static bool read_share(napi_env env, napi_value value, struct described *described) {
  napi_value weight;
  uint32_t *number = &described->wish.weight;
  return read_backend(env, value, described) && napi_get_named_property(env, value, "weight", &weight) == napi_ok &&
         napi_get_value_uint32(env, weight, number) == napi_ok && *number > 0 && *number <= WEIGHT_MAX;
}

napi_value vipd_relay_set_backends(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value arguments[5];
  uint32_t count;
  struct relay_rules rules;
  if (!read_arguments(env, info, 5, arguments, &listener)) return NULL;
  TRY(env, napi_get_array_length(env, arguments[1], &count));
  TRY(env, napi_get_value_uint32(env, arguments[2], &rules.connect_timeout));
  TRY(env, napi_get_value_bool(env, arguments[3], &rules.least_connections));
  TRY(env, napi_get_value_bool(env, arguments[4], &rules.proxy_protocol));
  struct described *described = calloc(count + 1, sizeof *described);
  struct relay_wish *wishes = calloc(count + 1, sizeof *wishes);
  struct relay_table *table = NULL;
  bool readable = described != NULL && wishes != NULL;
  for (uint32_t i = 0; readable && i < count; i++) {
    napi_value element;
    readable = napi_get_element(env, arguments[1], i, &element) == napi_ok && read_share(env, element, &described[i]);
    wishes[i] = described[i].wish;
  }
  if (readable) table = relay_roster_table(&listener->roster, wishes, count, rules);
  free(described);
  free(wishes);
  if (!readable) return vipd_throw_argument(env), NULL;
  if (table == NULL) return vipd_throw_errno(env, "malloc", ENOMEM), NULL;
  relay_listener_replace_table(listener, table);
  return NULL;
}

napi_value vipd_relay_reset(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value arguments[2];
  napi_valuetype type;
  struct described described;
  if (!read_arguments(env, info, 2, arguments, &listener)) return NULL;
  TRY(env, napi_typeof(env, arguments[1], &type));
  if (type == napi_undefined) {
    relay_listener_reset(listener, NULL);
  } else {
    if (!read_backend(env, arguments[1], &described)) return vipd_throw_argument(env), NULL;
    relay_listener_reset(listener, &described.wish);
  }
  return NULL;
}

static bool set_number(napi_env env, napi_value object, const char *name, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

static bool set_bigint(napi_env env, napi_value object, const char *name, uint64_t number) {
  napi_value value;
  return napi_create_bigint_uint64(env, number, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

static bool set_address(napi_env env, napi_value object, const struct relay_address *address) {
  char ip[IP_MAX_BYTES];
  napi_value value;
  uint16_t port = relay_address_format(address, ip, sizeof ip);
  return napi_create_string_utf8(env, ip, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, object, "ip", value) == napi_ok && set_number(env, object, "port", port);
}

static napi_value backend_stats(napi_env env, struct relay_backend *backend) {
  napi_value object, name;
  TRY(env, napi_create_object(env, &object));
  TRY(env, napi_create_string_utf8(env, backend->name, NAPI_AUTO_LENGTH, &name));
  TRY(env, napi_set_named_property(env, object, "name", name));
  if (!set_address(env, object, &backend->address)) return NULL;
  if (set_number(env, object, "open", (double)atomic_load_explicit(&backend->open, memory_order_relaxed)) &&
      set_number(env, object, "total", (double)atomic_load_explicit(&backend->total, memory_order_relaxed)) &&
      set_number(env, object, "failed", (double)atomic_load_explicit(&backend->failed, memory_order_relaxed)) &&
      set_number(env, object, "reset", (double)atomic_load_explicit(&backend->reset, memory_order_relaxed)) &&
      set_bigint(env, object, "bytesFromClient",
                 atomic_load_explicit(&backend->bytes_from_client, memory_order_relaxed)) &&
      set_bigint(env, object, "bytesToClient", atomic_load_explicit(&backend->bytes_to_client, memory_order_relaxed)))
    return object;
  return NULL;
}

static bool set_endings(napi_env env, napi_value stats, const struct relay_listener *listener) {
#define RELAY_ENDING_CODE(name, code) code,
  static const char *const codes[] = {RELAY_ENDINGS(RELAY_ENDING_CODE)};
#undef RELAY_ENDING_CODE
  napi_value endings;
  bool is_set = napi_create_object(env, &endings) == napi_ok &&
                napi_set_named_property(env, stats, "endings", endings) == napi_ok;
  for (size_t i = 0; is_set && i < RELAY_ENDINGS_COUNT; i++)
    is_set = set_number(env, endings, codes[i], (double)atomic_load_explicit(&listener->ended[i], memory_order_relaxed));
  return is_set;
}

/* The backends in the table, and those that left it while connections to them are open. */
napi_value vipd_relay_stats(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument, stats, backends;
  uint32_t count = 0;
  if (!read_arguments(env, info, 1, &argument, &listener)) return NULL;
  TRY(env, napi_create_object(env, &stats));
  TRY(env, napi_create_array(env, &backends));
  TRY(env, napi_set_named_property(env, stats, "backends", backends));
  if (!set_endings(env, stats, listener)) return NULL;
  /* In this order: once nobody accepts, the number only falls. */
  napi_value accepts;
  TRY(env, napi_get_boolean(env, relay_listener_accepts(listener), &accepts));
  TRY(env, napi_set_named_property(env, stats, "accepts", accepts));
  set_number(env, stats, "connections", atomic_load_explicit(&listener->connections, memory_order_relaxed));
  set_number(env, stats, "refused", (double)atomic_load_explicit(&listener->refused, memory_order_relaxed));
  set_number(env, stats, "resets", relay_listener_resets(listener));
  for (size_t i = 0; i < listener->roster.count; i++) {
    struct relay_backend *backend = listener->roster.backends[i];
    if (i >= listener->roster.listed && atomic_load_explicit(&backend->open, memory_order_relaxed) == 0) continue;
    napi_value object = backend_stats(env, backend);
    if (object == NULL) return NULL;
    TRY(env, napi_set_element(env, backends, count++, object));
  }
  return stats;
}

napi_value vipd_relay_unlisten(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument;
  if (read_arguments(env, info, 1, &argument, &listener)) relay_listener_stop(listener);
  return NULL;
}
