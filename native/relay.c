#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay_listener.h"
#include "relay_socket.h"

enum { NAME_MAX_BYTES = 256, IP_MAX_BYTES = 64 };

static void environment_ends(void *engine) {
  relay_engine_stop(engine);
  relay_engine_unref(engine);
}

static void relay_collected(napi_env env, void *engine, void *hint) {
  (void)env;
  (void)hint;
  relay_engine_unref(engine);
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
  napi_value handle;
  (void)info;
  struct relay_engine *engine = relay_engine_create(&operation);
  if (engine == NULL) return vipd_throw_errno(env, operation, errno), NULL;
  if (napi_create_external(env, engine, relay_collected, NULL, &handle) != napi_ok) {
    environment_ends(engine);
    return vipd_throw_argument(env), NULL;
  }
  napi_add_env_cleanup_hook(env, environment_ends, relay_engine_ref(engine));
  return handle;
}

napi_value vipd_relay_dispose(napi_env env, napi_callback_info info) {
  struct relay_engine *engine;
  napi_value argument;
  if (!read_arguments(env, info, 1, &argument, &engine) || engine->commands == NULL) return NULL;
  napi_remove_env_cleanup_hook(env, environment_ends, engine);
  environment_ends(engine);
  return NULL;
}

napi_value vipd_relay_listen(napi_env env, napi_callback_info info) {
  struct relay_engine *engine;
  napi_value arguments[4], handle;
  char ip[IP_MAX_BYTES];
  uint32_t port;
  bool freebind;
  const char *operation;
  struct relay_address address;
  if (!read_arguments(env, info, 4, arguments, &engine)) return NULL;
  TRY(env, napi_get_value_string_utf8(env, arguments[1], ip, sizeof ip, NULL));
  TRY(env, napi_get_value_uint32(env, arguments[2], &port));
  TRY(env, napi_get_value_bool(env, arguments[3], &freebind));
  if (port > UINT16_MAX || !relay_address_parse(ip, (uint16_t)port, &address)) return vipd_throw_argument(env), NULL;
  struct relay_listener *listener = relay_listener_create(engine, &address, freebind, &operation);
  if (listener == NULL) return vipd_throw_errno(env, operation, errno), NULL;
  if (napi_create_external(env, listener, listener_collected, NULL, &handle) == napi_ok) return handle;
  relay_listener_stop(listener);
  relay_listener_unref(listener);
  return vipd_throw_argument(env), NULL;
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

napi_value vipd_relay_set_backends(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value arguments[4];
  uint32_t count;
  struct relay_rules rules;
  if (!read_arguments(env, info, 4, arguments, &listener)) return NULL;
  TRY(env, napi_get_array_length(env, arguments[1], &count));
  TRY(env, napi_get_value_uint32(env, arguments[2], &rules.connect_timeout));
  TRY(env, napi_get_value_bool(env, arguments[3], &rules.least_connections));
  struct described *described = calloc(count + 1, sizeof *described);
  struct relay_wish *wishes = calloc(count + 1, sizeof *wishes);
  struct relay_table *table = NULL;
  bool readable = described != NULL && wishes != NULL;
  for (uint32_t i = 0; readable && i < count; i++) {
    napi_value element;
    readable = napi_get_element(env, arguments[1], i, &element) == napi_ok && read_backend(env, element, &described[i]);
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

/* The backends in the table, and those that left it while connections to them are open. */
napi_value vipd_relay_stats(napi_env env, napi_callback_info info) {
  struct relay_listener *listener;
  napi_value argument, stats, backends;
  uint32_t count = 0;
  if (!read_arguments(env, info, 1, &argument, &listener)) return NULL;
  TRY(env, napi_create_object(env, &stats));
  TRY(env, napi_create_array(env, &backends));
  TRY(env, napi_set_named_property(env, stats, "backends", backends));
  set_number(env, stats, "refused", (double)atomic_load_explicit(&listener->refused, memory_order_relaxed));
  set_number(env, stats, "resets", (double)atomic_load_explicit(&listener->resets, memory_order_acquire));
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
