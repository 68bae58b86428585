// The main program of a fuzzer where libFuzzer is not linked: every input of a corpus as it is,
// then as many mutations of them as asked for, the same from the same seed on every machine. No
// coverage guides it; it is what `make test` can afford, and it runs in every preset.
//
//   NAME_brief --inputs 20000 [--seed 1] CORPUS_FOLDER
//
// An input that ends the process is left in ./finding-NAME.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "fuzz/damage.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace vivarium {
namespace {

std::string finding_path;
Bytes current;

// In whatever state the process is.
void keep_finding() {
  std::ofstream out(finding_path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(current.data()),
            static_cast<std::streamsize>(current.size()));
  std::fprintf(stderr, "the input is in %s\n", finding_path.c_str());
}

void on_abort(int) {
  keep_finding();
  std::_Exit(1);
}

void try_input(Bytes input) {
  current = std::move(input);
  // A copy of its exact size, so that a sanitizer sees a step behind the end.
  const Bytes exact(current);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const ByteView bytes = as_bytes(text);
  return Bytes(bytes.begin(), bytes.end());
}

std::vector<Bytes> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> inputs;
  for (const auto& path : paths) inputs.push_back(read_file(path));
  return inputs;
}

int run(const std::string& folder, uint64_t inputs, uint64_t seed) {
  const std::vector<Bytes> corpus = read_corpus(folder);
  if (corpus.empty()) {
    fmt::print(stderr, "{}: no inputs\n", folder);
    return 2;
  }
  for (const Bytes& input : corpus) try_input(input);
  Random random(seed);
  for (uint64_t i = 0; i < inputs; ++i) {
    Bytes input = corpus[random.below(corpus.size())];
    const uint64_t damages = 1 + random.below(4);
    for (uint64_t n = 0; n < damages; ++n) damage(input, corpus, random);
    try_input(std::move(input));
  }
  fmt::print("{} inputs as they are and {} mutations: nothing found\n", corpus.size(), inputs);
  return 0;
}

}  // namespace
}  // namespace vivarium

int main(int argc, char** argv) {
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  std::string folder;
  uint64_t inputs = 0;
  uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--inputs" && i + 1 < argc) {
      inputs = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (folder.empty() && !word.starts_with('-')) {
      folder = word;
    } else {
      folder.clear();
      break;
    }
  }
  if (folder.empty() || !std::filesystem::is_directory(folder)) {
    fmt::print(stderr, "usage: {} --inputs N [--seed N] CORPUS_FOLDER\n", name);
    return 2;
  }
  vivarium::finding_path = "finding-" + name;
  std::signal(SIGABRT, vivarium::on_abort);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(vivarium::keep_finding);
  }
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  return vivarium::run(folder, inputs, seed);
}
