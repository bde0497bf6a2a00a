/* Whose turn it is in a round where some have more turns than others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The order of a round in which each of `count` has as many turns as its weight (above 0, and divided by what all have in common),
 * as far from each other as they can be: a a b a for 3 and 1. For the caller to free; NULL when out of memory.
 */
uint32_t *relay_order_create(const uint32_t *weights, size_t count, size_t *turns);
