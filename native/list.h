/* A doubly linked ring whose links lie inside the things it holds; taking one out needs no search and may be done twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
  struct list *next, *previous;
};

/* The thing that contains the link. */
#define LIST_ITEM(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list) { list->next = list->previous = list; }

static inline bool list_is_empty(const struct list *list) { return list->next == list; }

static inline void list_insert_after(struct list *place, struct list *link) {
  link->previous = place;
  link->next = place->next;
  place->next->previous = link;
  place->next = link;
}

static inline void list_append(struct list *list, struct list *link) { list_insert_after(list->previous, link); }

static inline void list_remove(struct list *link) {
  link->previous->next = link->next;
  link->next->previous = link->previous;
  list_init(link);
}

/* Moves everything in `from` to the empty `to`. */
static inline void list_move(struct list *from, struct list *to) {
  list_init(to);
  if (list_is_empty(from)) return;
  list_insert_after(from, to);
  list_remove(from);
}
