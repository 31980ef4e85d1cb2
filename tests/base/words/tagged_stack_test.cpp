#include "base/words/tagged_stack.h"

#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenure {
namespace {

struct Node {
  std::atomic<uint64_t> next{0};
  std::atomic<uint32_t> owner{0};
};

struct NodeLinks {
  static uint64_t load(uint64_t node) {
    if (on_load) std::exchange(on_load, nullptr)();
    return reinterpret_cast<Node*>(node)->next.load(std::memory_order_relaxed);
  }
  static void store(uint64_t node, uint64_t next) {
    reinterpret_cast<Node*>(node)->next.store(next, std::memory_order_relaxed);
  }
  // What happens, once, between a pop's look at the head and its exchange.
  static inline std::function<void()> on_load;
};

using Stack = TaggedStack<NodeLinks>;
uint64_t number(Node& node) { return reinterpret_cast<uint64_t>(&node); }

TEST(TaggedStack, LastInFirstOut) {
  Stack stack;
  std::vector<Node> nodes(3);
  EXPECT_EQ(stack.pop(), 0u);
  EXPECT_TRUE(stack.empty());
  for (Node& node : nodes) stack.push(number(node));
  EXPECT_EQ(stack.size(), 3u);
  EXPECT_EQ(stack.peek(), number(nodes[2]));
  EXPECT_FALSE(stack.empty());
  for (size_t i = 3; i-- > 0;) EXPECT_EQ(stack.pop(), number(nodes[i]));
  EXPECT_EQ(stack.pop(), 0u);
  EXPECT_EQ(stack.size(), 0u);
}

TEST(TaggedStack, SizeSurvivesManyRounds) {
  Stack stack;
  Node node;
  for (int i = 0; i < 1000; ++i) {
    stack.push(number(node));
    ASSERT_EQ(stack.size(), 1u);
    ASSERT_EQ(stack.pop(), number(node));
    ASSERT_EQ(stack.size(), 0u);
  }
}

// The head leaves and comes back while a pop has read its old link: without a version the pop would make
// the second node, which somebody else has, the new head.
TEST(TaggedStack, HeadThatComesBackDoesNotFoolAPop) {
  Stack stack;
  Node a, b, c;
  for (Node* node : {&c, &b, &a}) stack.push(number(*node));
  std::vector<uint64_t> taken;
  NodeLinks::on_load = [&] {
    taken.push_back(stack.pop());
    taken.push_back(stack.pop());
    stack.push(number(a));
  };
  EXPECT_EQ(stack.pop(), number(a));
  EXPECT_EQ(taken, (std::vector<uint64_t>{number(a), number(b)}));
  EXPECT_EQ(stack.size(), 1u);
  EXPECT_EQ(stack.pop(), number(c));
  EXPECT_EQ(stack.pop(), 0u);
}

TEST(TaggedStack, StackEmptiedUnderAPop) {
  Stack stack;
  Node a;
  stack.push(number(a));
  NodeLinks::on_load = [&] { EXPECT_EQ(stack.pop(), number(a)); };
  EXPECT_EQ(stack.pop(), 0u);
  EXPECT_EQ(stack.size(), 0u);
}

TEST(TaggedStack, ThreadsLoseAndDoubleNothing) {
  constexpr uint32_t kThreads = 4, kNodes = 8, kRounds = 40000;
  Stack stack;
  std::vector<Node> nodes(kNodes);
  for (Node& node : nodes) stack.push(number(node));
  std::atomic<uint32_t> doubled{0};
  std::vector<std::thread> threads;
  for (uint32_t id = 1; id <= kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (uint32_t round = 0; round < kRounds; ++round) {
        const uint64_t mine = stack.pop();
        if (mine == 0) continue;
        Node& node = *reinterpret_cast<Node*>(mine);
        if (node.owner.exchange(id) != 0) ++doubled;
        node.owner.store(0);
        stack.push(mine);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(doubled.load(), 0u);
  EXPECT_EQ(stack.size(), kNodes);
  for (uint32_t i = 0; i < kNodes; ++i) {
    const uint64_t node = stack.pop();
    ASSERT_NE(node, 0u);
    EXPECT_EQ(reinterpret_cast<Node*>(node)->owner.exchange(1), 0u);
  }
  EXPECT_EQ(stack.pop(), 0u);
}

}  // namespace
}  // namespace tenure
