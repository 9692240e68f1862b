// Runs a fuzz target over the files of the directories it is given, where libFuzzer does not: so that what was once found stays found.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
  int inputs = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      const std::basic_string<std::uint8_t> octets(input.begin(), input.end());
      LLVMFuzzerTestOneInput(octets.data(), octets.size());
      ++inputs;
    }
  }
  std::printf("%d inputs\n", inputs);
  return inputs != 0 ? 0 : 1;
}
