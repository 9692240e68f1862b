# Flags all of the project is compiled and linked with: hardening is on in every build type, warnings are errors where ADIEU_WERROR says so (our
# presets do).
add_library(adieu_flags INTERFACE)
target_compile_options(adieu_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wcast-qual -Wconversion
  -Wno-sign-conversion $<$<BOOL:${ADIEU_WERROR}>:-Werror>
  # GCC 12 takes the inactive alternatives of a std::variant for uninitialised memory once it optimises.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  # Spirit's expectation `>` beside its sequence `>>` is meant.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-overloaded-shift-op-parentheses>
  -fstack-protector-strong -fno-plt -fstack-clash-protection -fcf-protection)
target_link_options(adieu_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

# FORTIFY needs optimisation, and stands in the way of the sanitizers' own interceptors.
if(NOT ADIEU_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(adieu_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(ADIEU_SANITIZE)
  target_compile_options(adieu_flags INTERFACE -fsanitize=${ADIEU_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(adieu_flags INTERFACE -fsanitize=${ADIEU_SANITIZE})
endif()
if(ADIEU_FUZZ)
  target_compile_options(adieu_flags INTERFACE -fsanitize=fuzzer-no-link)  # what is tested guides the fuzzer, not its target alone
endif()
include(CheckPIESupported)
check_pie_supported()
