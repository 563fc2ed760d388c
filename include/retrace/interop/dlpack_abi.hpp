// The binary interface of DLPack, through which libraries exchange tensors without copying.
#pragma once

#include <cstddef>
#include <cstdint>

#include "retrace/core/isa.hpp"

/// The structs of dlpack.h 1.1 under this library's names, so that both headers may be included. A
/// pointer to one can be converted to the other by reinterpret_cast. Source:
/// https://github.com/dmlc/dlpack/blob/main/include/dlpack/dlpack.h
namespace retrace::inline RETRACE_ISA::dlpack {

inline constexpr std::uint32_t major_version = 1, minor_version = 1;

/// DLPackVersion. Other major versions have another layout after `flags`.
struct Version {
  std::uint32_t major, minor;
};

/// DLDevice.
struct DeviceId {
  std::int32_t type;  ///< DLDeviceType
  std::int32_t index;
};
inline constexpr std::int32_t cpu = 1;  ///< kDLCPU

/// DLDataType.
struct DataType {
  std::uint8_t code;  ///< DLDataTypeCode
  std::uint8_t bits;
  std::uint16_t lanes;

  constexpr bool operator==(const DataType&) const = default;
};
inline constexpr std::uint8_t signed_integer = 0, unsigned_integer = 1, ieee_float = 2,
                              brain_float = 4;

/// DLTensor. Strides count elements; without strides it is packed, with the last axis innermost.
struct PlainTensor {
  void* data;
  DeviceId device;
  std::int32_t axes;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

/// DLManagedTensor, of versions before 1: the contents of a Python capsule "dltensor".
struct ManagedTensor {
  PlainTensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);  ///< may be null; also deletes its argument
};

/// DLManagedTensorVersioned: the contents of a Python capsule "dltensor_versioned".
struct VersionedTensor {
  Version version;
  void* context;
  void (*deleter)(VersionedTensor*);  ///< may be null; also deletes its argument
  std::uint64_t flags;
  PlainTensor tensor;
};
inline constexpr std::uint64_t read_only = 1;  ///< a bit of `flags`

static_assert(sizeof(DataType) == 4 && sizeof(DeviceId) == 8 && sizeof(Version) == 8);
static_assert(sizeof(void*) != 8 ||
              (sizeof(PlainTensor) == 48 && offsetof(PlainTensor, byte_offset) == 40 &&
               sizeof(ManagedTensor) == 64 && sizeof(VersionedTensor) == 80 &&
               offsetof(VersionedTensor, tensor) == 32));

}  // namespace retrace::inline RETRACE_ISA::dlpack
