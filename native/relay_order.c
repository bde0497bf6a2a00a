#include "relay_order.h"

#include <stdlib.h>

static uint32_t common_divisor(uint32_t a, uint32_t b) {
  while (b != 0) {
    uint32_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Smooth weighted round robin: with each turn all credits grow by the weights, and who has most pays for the turn of all. */
static void fill(uint32_t *order, size_t turns, const uint32_t *weights, size_t count, uint32_t divisor, long long *credit) {
  for (size_t turn = 0; turn < turns; turn++) {
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
      credit[i] += weights[i] / divisor;
      if (credit[i] > credit[next]) next = (uint32_t)i;
    }
    credit[next] -= (long long)turns;
    order[turn] = next;
  }
}

uint32_t *relay_order_create(const uint32_t *weights, size_t count, size_t *turns) {
  uint32_t divisor = 0;
  for (size_t i = 0; i < count; i++) divisor = common_divisor(weights[i], divisor);
  *turns = 0;
  for (size_t i = 0; i < count; i++) *turns += weights[i] / divisor;
  uint32_t *order = calloc(*turns + 1, sizeof order[0]);
  long long *credit = calloc(count + 1, sizeof credit[0]);
  if (order == NULL || credit == NULL) {
    free(order);
    order = NULL;
  } else {
    fill(order, *turns, weights, count, divisor, credit);
  }
  free(credit);
  return order;
}
