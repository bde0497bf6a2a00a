/* Connecting to a backend: the choice, the attempt, its failure, the next. */
#pragma once

#include "relay_connection.h"

/* Starts an attempt at the next backend; with none left the client is reset. */
void relay_attempt_next(struct relay_connection *connection);

/* An event on the server's socket while it is connecting. */
void relay_attempt_event(struct relay_connection *connection, uint32_t events);

/* The deadline has passed: the backend did not answer, or the wait for a descriptor is over. */
void relay_attempt_expired(struct relay_connection *connection);

/* Others may be accepted again, as far as this one is concerned. */
void relay_attempt_stop_waiting(struct relay_connection *connection);

/* Leaves the backend without blame and goes on to the next. */
void relay_attempt_skip(struct relay_connection *connection);
