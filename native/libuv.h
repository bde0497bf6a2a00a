/*
 * The few functions of libuv that are used here; node-api-headers carries no uv.h. All belong to the stable interface of libuv 1.x
 * and are exported by every Node.js; the size of a handle is asked at run time, as libuv advises for foreign callers.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_poll_s uv_poll_t;
typedef pthread_t uv_thread_t;

enum { UV_POLL = 8, UV_READABLE = 1 };

size_t uv_handle_size(int type);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void uv_close(uv_handle_t *handle, void (*closed)(uv_handle_t *));
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, void (*ready)(uv_poll_t *, int status, int events));
int uv_poll_stop(uv_poll_t *handle);

/* Threads by libuv and not by pthread_create(), whose symbol in a new glibc would keep a prebuilt addon off older machines. */
int uv_thread_create(uv_thread_t *thread, void (*run)(void *), void *argument);
int uv_thread_join(uv_thread_t *thread);
