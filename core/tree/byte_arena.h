// ByteArena: many small immutable byte strings without an allocation for each. Blocks of equal size
// share a page of 16 KiB, an emptied page serves any size again; strings above 4 KiB live alone. A
// value: strings are named by a Ref, a copy of the arena knows the same Refs.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"

namespace vivarium {

class ByteArena {
 public:
  using Ref = uint32_t;

  // Stores `first` followed by `second`; neither may point into this arena. Pointers got from
  // data() before are void afterwards.
  Ref put(ByteView first, ByteView second);
  // `bytes` is the length that was stored.
  void release(Ref ref, size_t bytes);
  Byte* data(Ref ref);
  const Byte* data(Ref ref) const;
  // Whether a string of `bytes` may be overwritten by one of `other` in place.
  static bool same_block(size_t bytes, size_t other);

 private:
  static constexpr uint32_t kUnit = 16;
  static constexpr uint32_t kPageBytes = 16384;
  static constexpr uint32_t kSmallMax = 4096;
  static constexpr uint32_t kClasses = 48;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint16_t kNoUnit = UINT16_MAX;
  static constexpr Ref kLarge = Ref{1} << 31;

  struct Page {
    std::vector<Byte> bytes;  // the blocks handed out so far; grows up to kPageBytes
    uint32_t next = kNone;    // list of pages of the class that have room, or of free pages
    uint32_t previous = kNone;
    uint16_t live = 0;
    uint16_t free_unit = kNoUnit;  // first of the released blocks, each names the next
    uint16_t size_class = 0;
    bool listed = false;
  };

  static uint32_t class_of(size_t bytes);
  static uint32_t class_bytes(uint32_t size_class);
  Ref allocate(uint32_t size_class);
  uint32_t page_with_room(uint32_t size_class);
  void list(uint32_t page);
  void unlist(uint32_t page);

  std::vector<Page> pages_;
  std::array<uint32_t, kClasses> room_ = filled();  // per class, first page with room
  std::array<uint32_t, kClasses> page_count_{};
  uint32_t free_pages_ = kNone;
  std::vector<Bytes> large_;
  std::vector<uint32_t> free_large_;

  static constexpr std::array<uint32_t, kClasses> filled() {
    std::array<uint32_t, kClasses> all{};
    for (uint32_t& one : all) one = kNone;
    return all;
  }
};

}  // namespace vivarium
