// The binary interface of DLPack, by which libraries pass tensors to one another without a copy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "retrace/core/isa.hpp"

/// The structs of dlpack.h 1.1 under names of this library, so that both headers may be included:
/// a pointer to one is a pointer to the other by reinterpret_cast. Source:
/// https://github.com/dmlc/dlpack/blob/main/include/dlpack/dlpack.h
namespace retrace::inline RETRACE_ISA::dlpack {

inline constexpr std::uint32_t major_version = 1, minor_version = 1;

/// DLPackVersion. Another major version has another layout behind `flags`.
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

/// DLTensor. Strides count elements; without strides it is packed, the last axis innermost.
struct PlainTensor {
  void* data;
  DeviceId device;
  std::int32_t axes;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

/// DLManagedTensor, of versions before 1: what a capsule "dltensor" of Python holds.
struct ManagedTensor {
  PlainTensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);  ///< may be null; deletes its argument too
};

/// DLManagedTensorVersioned: what a capsule "dltensor_versioned" of Python holds.
struct VersionedTensor {
  Version version;
  void* context;
  void (*deleter)(VersionedTensor*);  ///< may be null; deletes its argument too
  std::uint64_t flags;
  PlainTensor tensor;
};
inline constexpr std::uint64_t read_only = 1;  ///< a flag

static_assert(sizeof(DataType) == 4 && sizeof(DeviceId) == 8 && sizeof(Version) == 8);
static_assert(sizeof(void*) != 8 ||
              (sizeof(PlainTensor) == 48 && offsetof(PlainTensor, byte_offset) == 40 &&
               sizeof(ManagedTensor) == 64 && sizeof(VersionedTensor) == 80 &&
               offsetof(VersionedTensor, tensor) == 32));

}  // namespace retrace::inline RETRACE_ISA::dlpack
