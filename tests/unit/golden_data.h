// The captures of a real ZooKeeper ensemble under tests/golden, as tests want them: JSON, bytes out
// of hex, files out of .tar.gz archives, records out of transaction logs.
#pragma once

#include <isa-l/igzip_lib.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"

namespace vivarium::golden {

inline Bytes read_file(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR "/tests/golden/") + name, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open tests/golden/" + name);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

inline nlohmann::json read_json(const std::string& name) {
  return nlohmann::json::parse(as_text(read_file(name)));
}

inline Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::runtime_error("hex of odd length");
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const std::string pair(text.substr(i, 2));
    bytes.push_back(static_cast<Byte>(std::stoul(pair, nullptr, 16)));
  }
  return bytes;
}

inline std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const Byte b : bytes) {
    text += kDigits[b >> 4];
    text += kDigits[b & 15];
  }
  return text;
}

// Numbers in the captures stand in decimal or, as strings, in hex.
inline int64_t to_i64(const nlohmann::json& value) {
  if (value.is_string()) {
    return static_cast<int64_t>(std::stoull(value.get<std::string>(), nullptr, 16));
  }
  return value.get<int64_t>();
}

inline Bytes gunzip(Bytes packed) {
  if (packed.size() < 18) throw std::runtime_error("no gzip file");
  // The last four bytes are the unpacked size, little endian.
  const Byte* tail = packed.data() + packed.size() - 4;
  const size_t size =
      tail[0] | size_t{tail[1]} << 8 | size_t{tail[2]} << 16 | size_t{tail[3]} << 24;
  Bytes out(size);
  inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = ISAL_GZIP;
  state.next_in = packed.data();
  state.avail_in = static_cast<uint32_t>(packed.size());
  state.next_out = out.data();
  state.avail_out = static_cast<uint32_t>(out.size());
  if (isal_inflate(&state) != ISAL_DECOMP_OK || state.total_out != size) {
    throw std::runtime_error("broken gzip file");
  }
  return out;
}

// The plain files of a data archive ("standalone.tar.gz") by their path inside it.
inline std::map<std::string, Bytes> read_archive(const std::string& name) {
  constexpr size_t kBlock = 512;
  const Bytes tar = gunzip(read_file("data/" + name));
  std::map<std::string, Bytes> files;
  for (size_t at = 0; at + kBlock <= tar.size() && tar[at] != 0;) {
    const std::string_view block = as_text(ByteView(tar).subspan(at, kBlock));
    const std::string_view path = block.substr(0, std::min<size_t>(block.find('\0'), 100));
    const size_t size = std::stoul(std::string(block.substr(124, 11)), nullptr, 8);
    const char kind = block[156];
    at += kBlock;
    if (kind == '0' || kind == '\0') {
      const ByteView content = ByteView(tar).subspan(at, size);
      files[std::string(path)] = Bytes(content.begin(), content.end());
    }
    at += (size + kBlock - 1) / kBlock * kBlock;
  }
  return files;
}

// The entries of a sound log file, checksums verified.
inline std::vector<Bytes> log_entries(ByteView file) {
  std::vector<Bytes> entries;
  for (size_t at = 16; at + 12 <= file.size();) {
    const uint64_t checksum = get_u64(file.data() + at);
    const size_t length = get_u32(file.data() + at + 8);
    if (length == 0) break;
    const ByteView entry = file.subspan(at + 12, length);
    if (adler32(entry) != checksum) throw std::runtime_error("checksum of a golden record");
    entries.emplace_back(entry.begin(), entry.end());
    at += 12 + length + 1;
  }
  return entries;
}

}  // namespace vivarium::golden
