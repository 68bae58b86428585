#include "core/tree/byte_arena.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr uint32_t kUnitsPerPageBits = 10;
constexpr uint32_t kFirstReserve = 512;
constexpr size_t kFineMax = 256;  // up to here a class every 16 bytes, above eight per doubling
constexpr uint32_t kFineClasses = 16;

void copy_into(Byte* out, ByteView first, ByteView second) {
  if (!first.empty()) std::memcpy(out, first.data(), first.size());
  if (!second.empty()) std::memcpy(out + first.size(), second.data(), second.size());
}

}  // namespace

uint32_t ByteArena::class_of(size_t bytes) {
  CHECK(bytes <= kSmallMax);
  if (bytes <= kFineMax) return bytes == 0 ? 0 : static_cast<uint32_t>((bytes - 1) / kUnit);
  const uint32_t last = static_cast<uint32_t>(bytes - 1);
  const uint32_t doubling = static_cast<uint32_t>(std::bit_width(last)) - 9;  // 257..512: 0
  return kFineClasses + doubling * 8 + ((last >> (doubling + 5)) & 7);
}

uint32_t ByteArena::class_bytes(uint32_t size_class) {
  if (size_class < kFineClasses) return (size_class + 1) * kUnit;
  const uint32_t doubling = (size_class - kFineClasses) / 8;
  const uint32_t step = (size_class - kFineClasses) % 8;
  return (256U << doubling) + ((step + 1) << (doubling + 5));
}

bool ByteArena::same_block(size_t bytes, size_t other) {
  return bytes <= kSmallMax && other <= kSmallMax && class_of(bytes) == class_of(other);
}

ByteArena::Ref ByteArena::put(ByteView first, ByteView second) {
  const size_t bytes = first.size() + second.size();
  if (bytes <= kSmallMax) {
    const Ref ref = allocate(class_of(bytes));
    copy_into(data(ref), first, second);
    return ref;
  }
  if (free_large_.empty()) {
    free_large_.push_back(static_cast<uint32_t>(large_.size()));
    large_.emplace_back();
  }
  const uint32_t index = free_large_.back();
  free_large_.pop_back();
  CHECK(index < kLarge);
  Bytes& out = large_[index];
  out.reserve(bytes);
  append_bytes(out, first);
  append_bytes(out, second);
  return kLarge | index;
}

Byte* ByteArena::data(Ref ref) {
  return const_cast<Byte*>(static_cast<const ByteArena*>(this)->data(ref));
}

const Byte* ByteArena::data(Ref ref) const {
  if ((ref & kLarge) != 0) return large_[ref & ~kLarge].data();
  const uint32_t unit = ref & ((1U << kUnitsPerPageBits) - 1);
  return pages_[ref >> kUnitsPerPageBits].bytes.data() + size_t{unit} * kUnit;
}

ByteArena::Ref ByteArena::allocate(uint32_t size_class) {
  const uint32_t index = page_with_room(size_class);
  const uint32_t block = class_bytes(size_class);
  Page& page = pages_[index];
  uint16_t unit = page.free_unit;
  if (unit != kNoUnit) {
    std::memcpy(&page.free_unit, page.bytes.data() + size_t{unit} * kUnit, sizeof page.free_unit);
  } else {
    const size_t end = page.bytes.size() + block;
    if (end > page.bytes.capacity()) {
      // A class that fills pages gets whole ones; the first page of a class grows with its content.
      const size_t doubled = std::max<size_t>(kFirstReserve, 2 * page.bytes.capacity());
      const size_t wanted = page_count_[size_class] > 1 ? kPageBytes : std::max(end, doubled);
      page.bytes.reserve(std::min<size_t>(kPageBytes, wanted));
    }
    unit = static_cast<uint16_t>(page.bytes.size() / kUnit);
    page.bytes.resize(end);
  }
  ++page.live;
  if (page.free_unit == kNoUnit && page.bytes.size() + block > kPageBytes) unlist(index);
  return (index << kUnitsPerPageBits) | unit;
}

void ByteArena::release(Ref ref, size_t bytes) {
  if ((ref & kLarge) != 0) {
    CHECK(bytes > kSmallMax && large_[ref & ~kLarge].size() == bytes);
    large_[ref & ~kLarge] = Bytes();
    free_large_.push_back(ref & ~kLarge);
    return;
  }
  const uint32_t index = ref >> kUnitsPerPageBits;
  Page& page = pages_[index];
  CHECK(page.live > 0 && page.size_class == class_of(bytes));
  std::memcpy(data(ref), &page.free_unit, sizeof page.free_unit);
  page.free_unit = static_cast<uint16_t>(ref & ((1U << kUnitsPerPageBits) - 1));
  --page.live;
  if (!page.listed) list(index);
  // The last page with room stays, so that a size in steady use does not allocate.
  const bool only_one = page.next == kNone && page.previous == kNone;
  if (page.live > 0 || only_one) return;
  unlist(index);
  --page_count_[page.size_class];
  page.bytes = Bytes();
  page.free_unit = kNoUnit;
  page.next = free_pages_;
  free_pages_ = index;
}

uint32_t ByteArena::page_with_room(uint32_t size_class) {
  if (room_[size_class] != kNone) return room_[size_class];
  uint32_t index = free_pages_;
  if (index != kNone) {
    free_pages_ = pages_[index].next;
  } else {
    index = static_cast<uint32_t>(pages_.size());
    CHECK(index < (kLarge >> kUnitsPerPageBits));
    pages_.emplace_back();
  }
  pages_[index].size_class = static_cast<uint16_t>(size_class);
  ++page_count_[size_class];
  list(index);
  return index;
}

void ByteArena::list(uint32_t index) {
  Page& page = pages_[index];
  CHECK(!page.listed);
  page.listed = true;
  page.previous = kNone;
  page.next = room_[page.size_class];
  if (page.next != kNone) pages_[page.next].previous = index;
  room_[page.size_class] = index;
}

void ByteArena::unlist(uint32_t index) {
  Page& page = pages_[index];
  CHECK(page.listed);
  page.listed = false;
  if (page.next != kNone) pages_[page.next].previous = page.previous;
  if (page.previous != kNone) {
    pages_[page.previous].next = page.next;
  } else {
    room_[page.size_class] = page.next;
  }
  page.next = kNone;
  page.previous = kNone;
}

}  // namespace vivarium
