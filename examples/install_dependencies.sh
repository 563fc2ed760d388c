# Installs what the build needs with apt, and only what is missing. To be sourced:
#   . examples/install_dependencies.sh
#   install_dependencies compiler cmake ninja eigen ...
# shellcheck shell=bash

# Succeeds if a header is in one of the usual places or below CMAKE_PREFIX_PATH.
_has_header() {
  local prefix
  local IFS=':;'
  for prefix in ${CMAKE_PREFIX_PATH:-} /usr /usr/local; do
    [[ -e $prefix/include/$1 ]] && return 0
  done
  return 1
}

# Succeeds if `$1` compiles and links a program, or $source, with the options that follow.
_can_build() {
  local program status=0
  program=$(mktemp)
  echo "${source:-int main() {\}}" | "$1" -x c++ "${@:2}" -o "$program" - 2>/dev/null || status=1
  rm -f "$program"
  return $status
}

# Prints the apt packages that are missing for the things named.
_missing_packages() {
  local need
  for need in "$@"; do
    case $need in
      compiler)
        if [[ -n ${CXX:-} && $CXX != *clang* ]]; then
          command -v "$CXX" >/dev/null || echo "$CXX"
        elif [[ -n ${CXX:-} ]]; then
          _can_build "$CXX" || echo clang
        else
          command -v c++ >/dev/null || echo g++
        fi ;;
      thread_sanitizer)
        if ! command -v clang++ >/dev/null; then
          echo clang
        elif ! _can_build clang++ -fsanitize=thread; then
          echo "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
        fi ;;
      fuzzer)
        if ! command -v clang++ >/dev/null; then
          echo clang
        elif ! source='extern "C" int LLVMFuzzerTestOneInput() { return 0; }' \
          _can_build clang++ -fsanitize=fuzzer,address; then
          echo "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
        fi ;;
      cmake) command -v cmake >/dev/null || echo cmake ;;
      ninja) command -v ninja >/dev/null || echo ninja-build ;;
      torch) /usr/bin/python3 -c 'import torch' 2>/dev/null || echo python3-torch ;;
      python) command -v python3 >/dev/null || echo python3 ;;
      eigen) _has_header eigen3/Eigen/Core || echo libeigen3-dev ;;
      catch2) _has_header catch2/catch.hpp || _has_header catch2/catch_all.hpp || echo catch2 ;;
      cli11) _has_header CLI/CLI.hpp || echo libcli11-dev ;;
      # Debian's libjpeg62-turbo-dev and Ubuntu's libjpeg-turbo8-dev come with libjpeg-dev.
      images)
        _has_header png.h || echo libpng-dev
        _has_header jpeglib.h || echo libjpeg-dev
        _has_header zlib.h || echo zlib1g-dev ;;
      doxygen) command -v doxygen >/dev/null || echo doxygen ;;
      onednn)
        _has_header oneapi/dnnl/dnnl.hpp || echo libdnnl-dev ocl-icd-opencl-dev
        [[ ${CXX:-} != *clang* ]] || _can_build "$CXX" -fopenmp || echo libomp-dev ;;
      mpi) command -v mpicxx >/dev/null && command -v mpirun >/dev/null ||
        echo libopenmpi-dev openmpi-bin ;;
      boost_context) _has_header boost/context/fiber.hpp || echo libboost-context-dev ;;
      arm64) command -v aarch64-linux-gnu-g++ >/dev/null || echo g++-aarch64-linux-gnu ;;
      arm32) command -v arm-linux-gnueabihf-g++ >/dev/null || echo g++-arm-linux-gnueabihf ;;
      qemu) command -v qemu-arm >/dev/null || echo qemu-user ;;
      lzma) _has_header lzma.h || echo liblzma-dev ;;
      json) _has_header nlohmann/json.hpp || echo nlohmann-json3-dev ;;
      *) echo "install_dependencies: unknown name '$need'" >&2; return 1 ;;
    esac
  done
}

install_dependencies() {
  local names packages=() as_root=() recommended=--no-install-recommends log
  names=$(_missing_packages "$@") || return 1
  read -r -d '' -a packages <<<"$names" || true
  [[ ${#packages[@]} -eq 0 ]] && return 0

  if ! command -v apt-get >/dev/null; then
    echo "error: apt-get is not available; install these packages (Debian's names) yourself:" \
      "${packages[*]}" >&2
    return 1
  fi
  if [[ $(id -u) -ne 0 ]]; then
    as_root=(sudo)
    [[ -t 0 ]] || as_root+=(-n)  # nobody there to type a password
    if ! command -v sudo >/dev/null || ! "${as_root[@]}" true; then
      echo "error: not root and no sudo; have these packages installed: ${packages[*]}" >&2
      return 1
    fi
  fi
  [[ " ${packages[*]} " != *' clang '* ]] || recommended=''  # among them its sanitizers
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)

  echo "Installing ${packages[*]} ..."
  log=$(mktemp)
  if ! {
    "${as_root[@]}" update &&
      "${as_root[@]}" install --yes ${recommended:+"$recommended"} "${packages[@]}"
  } >"$log" 2>&1 </dev/null; then
    echo "error: apt-get could not install ${packages[*]}: $(grep '^E:' "$log" | tail -n 1)" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
