// A table of values with lock-free lookup, by liburcu's hash table. A value is charged to its customer until no reader can see it.
#pragma once

#include <urcu/urcu-memb.h>
// The flavour comes first.
#include <tenure/rcu.h>
#include <tenure/tenant.hpp>
#include <urcu/rculfhash.h>

#include <cstdlib>

struct Value {
  struct cds_lfht_node node;
  unsigned long key, copies[64];  // Each is the key, which a reader checks.
};

class RcuCache {
public:
  RcuCache() : table_(cds_lfht_new_flavor(64, 64, 64, 0, &urcu_memb_flavor, nullptr)) {}
  ~RcuCache() { cds_lfht_destroy(table_, nullptr); }
  RcuCache(const RcuCache&) = delete;
  RcuCache& operator=(const RcuCache&) = delete;

  // The value is good until the end of the caller's read section.
  Value* find(unsigned long key) const {
    struct cds_lfht_iter place;
    cds_lfht_lookup(table_, key, same_key, &key, &place);
    return reinterpret_cast<Value*>(cds_lfht_iter_get_node(&place));
  }
  // False: the customer is full.
  bool store(const tenure::Tenant& customer, unsigned long key) {
    auto* const value = static_cast<Value*>(tenure_malloc(customer.get(), sizeof(Value)));
    if (!value) return false;
    value->key = key;
    for (unsigned long& copy : value->copies) copy = key;
    urcu_memb_read_lock();
    void* const old = cds_lfht_add_replace(table_, key, same_key, &key, &value->node);
    urcu_memb_read_unlock();
    tenure_free_rcu(old);  // Readers may still be looking at it.
    return true;
  }
  void drop(unsigned long key) {
    urcu_memb_read_lock();
    Value* const value = find(key);
    const bool ours = value && cds_lfht_del(table_, &value->node) == 0;
    urcu_memb_read_unlock();
    if (ours) tenure_free_rcu(value);
  }

private:
  static int same_key(struct cds_lfht_node* node, const void* key) {
    return reinterpret_cast<Value*>(node)->key == *static_cast<const unsigned long*>(key);
  }

  struct cds_lfht* table_;
};
