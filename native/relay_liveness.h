/*
 * Finds peers that vanished while data was on its way to them. TCP_USER_TIMEOUT would do it, but also ends connections whose peer is
 * well and does not read (tcp_probe_timer() counts zero-window probes that were answered against it), and back-pressure must be able to
 * last. Here only what is not acknowledged at all counts. Keep-alive finds those that vanish while nothing is on its way: a listening socket
 * hands it down to the clients', a backend's gets it at the first look.
 */
#pragma once

#include "relay_connection.h"

/* Data was sent on this leg: it is looked at until all of it is acknowledged. */
void relay_liveness_watch(struct relay_engine *engine, struct relay_leg *leg);

/* When the next look is due, in the engine's ms; UINT64_MAX when none is. */
uint64_t relay_liveness_deadline(const struct relay_engine *engine);

/* Looks at those that are due, up to a bound, and closes those whose peer is gone. */
void relay_liveness_look(struct relay_engine *engine);
