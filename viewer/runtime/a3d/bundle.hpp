// The file as bytes: its table of sections, each checked before anything of it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "array.hpp"

namespace a3d {

enum class Status : int {
    kOk = 0,
    kNotABundle,  // the first bytes are of another kind of file
    kNewer,       // of a version that this runtime does not know
    kSize,        // not as long as it says: it was cut off, or something follows it
    kChecksum,    // its bytes are not those that were written
    kTable,       // a section lies outside the file, or its size is not that of its shape
    kMissing,     // lacks a section
    kShape,       // a section has another type or shape than its neighbours want
    kIndex,       // an index points at nothing
    kNumber,      // a value is not a number, or one that nothing can be divided by
    kMemory,      // no memory left
};

// One English line for a log.
inline const char* text(Status status) {
    switch (status) {
        case Status::kOk: return "whole";
        case Status::kNotABundle: return "is not an .a3d file";
        case Status::kNewer: return "was written by a newer avatar3d than this runtime";
        case Status::kSize: return "is not as long as it says; copy it again";
        case Status::kChecksum: return "is damaged; copy it again";
        case Status::kTable: return "has a section that lies outside of it; export it again";
        case Status::kMissing: return "lacks a section; export it again";
        case Status::kShape: return "has a section of another type or shape than belongs there; export it again";
        case Status::kIndex: return "has an index that points at nothing; export it again";
        case Status::kNumber: return "holds a value that is not a number; export it again";
        case Status::kMemory: return "needs more memory than there is";
    }
    return "unknown";
}

constexpr std::size_t kNameSize = 24;  // with at least one zero at its end

// What a load came to, and the section that it failed at.
struct Result {
    Status status = Status::kOk;
    char section[kNameSize] = {};

    explicit operator bool() const { return status == Status::kOk; }
};

inline Result failure(Status status, const char* section = "") {
    Result result;
    result.status = status;
    for (std::size_t i = 0; i + 1 < kNameSize && section[i] != '\0'; ++i) result.section[i] = section[i];
    return result;
}

enum class Type : std::uint32_t { kFloat = 1, kUint = 2, kByte = 3, kShort = 4 };

inline std::size_t item_size(std::uint32_t type) {
    switch (static_cast<Type>(type)) {
        case Type::kFloat:
        case Type::kUint: return 4;
        case Type::kShort: return 2;
        case Type::kByte: return 1;
    }
    return 0;
}

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kLoops = 1;  // flag: the last frame of the motion leads to its first
constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kEntrySize = 64;
constexpr std::size_t kMaxRank = 4;
constexpr std::uint32_t kMaxSections = 1024;
constexpr std::size_t kMaxSize = 0x7FFFFFFF;  // bytes of a file: every count in it fits an int

// Little-endian numbers at any address, on machines of any byte order.
inline std::uint32_t read_u32(const std::uint8_t* at) {
    return std::uint32_t(at[0]) | std::uint32_t(at[1]) << 8 | std::uint32_t(at[2]) << 16 | std::uint32_t(at[3]) << 24;
}
inline std::uint64_t read_u64(const std::uint8_t* at) { return read_u32(at) | std::uint64_t(read_u32(at + 4)) << 32; }
inline float read_f32(const std::uint8_t* at) {
    const std::uint32_t bits = read_u32(at);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Whether a float is neither infinite nor NaN, also where the compiler was told that there are no such things.
inline bool is_finite(const std::uint8_t* at) { return (read_u32(at) & 0x7F800000u) != 0x7F800000u; }

// CRC-32 as in zlib, PNG and zip: polynomial 0xEDB88320, bits reversed. `seed` is the sum of what came before, 0 at the beginning.
inline std::uint32_t crc32(const std::uint8_t* data, std::size_t size, std::uint32_t seed) {
    // Eight bytes at a step, by tables of what a byte does that is followed by zeros.
    struct Tables {
        std::uint32_t of[8][256];
        Tables() {
            for (std::uint32_t i = 0; i < 256; ++i) {
                std::uint32_t value = i;
                for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0xEDB88320u : 0u);
                of[0][i] = value;
            }
            for (int k = 1; k < 8; ++k)
                for (int i = 0; i < 256; ++i) of[k][i] = (of[k - 1][i] >> 8) ^ of[0][of[k - 1][i] & 0xFFu];
        }
    };
    static const Tables tables;
    std::uint32_t crc = ~seed;
    while (size >= 8) {
        const std::uint32_t low = crc ^ read_u32(data), high = read_u32(data + 4);
        crc = tables.of[7][low & 0xFFu] ^ tables.of[6][(low >> 8) & 0xFFu] ^ tables.of[5][(low >> 16) & 0xFFu] ^ tables.of[4][low >> 24] ^
              tables.of[3][high & 0xFFu] ^ tables.of[2][(high >> 8) & 0xFFu] ^ tables.of[1][(high >> 16) & 0xFFu] ^ tables.of[0][high >> 24];
        data += 8;
        size -= 8;
    }
    for (; size > 0; --size) crc = (crc >> 8) ^ tables.of[0][(crc ^ *data++) & 0xFFu];
    return ~crc;
}

// The sum that belongs at byte 28 of a file of at least kHeaderSize bytes.
inline std::uint32_t checksum(const std::uint8_t* data, std::size_t size) {
    return crc32(data + kHeaderSize, size - kHeaderSize, crc32(data, kHeaderSize - 4, 0));
}

// One array of the file, where it lies.
struct Section {
    const std::uint8_t* data = nullptr;
    std::uint32_t type = 0, rank = 0;
    std::uint32_t shape[kMaxRank] = {};
    std::size_t count = 0;  // numbers in it

    explicit operator bool() const { return data != nullptr; }
    float real(std::size_t index) const { return read_f32(data + 4 * index); }
    std::uint32_t whole(std::size_t index) const { return read_u32(data + 4 * index); }
};

// A view of the file's memory, which must outlive it. After `open` has said kOk every section lies inside.
class Bundle {
public:
    Result open(const void* memory, std::size_t size) {
        data_ = static_cast<const std::uint8_t*>(memory);
        size_ = 0;
        static const std::uint8_t magic[8] = {'A', '3', 'D', 'B', '\r', '\n', 0x1A, '\n'};
        if (data_ == nullptr || size < kHeaderSize || std::memcmp(data_, magic, sizeof magic) != 0) return failure(Status::kNotABundle);
        const std::uint32_t version = read_u32(data_ + 8);
        if (version != kVersion) return failure(version > kVersion ? Status::kNewer : Status::kNotABundle);
        if (size > kMaxSize || read_u64(data_ + 16) != size) return failure(Status::kSize);
        sections_ = read_u32(data_ + 24);
        if (sections_ > kMaxSections || sections_ > (size - kHeaderSize) / kEntrySize) return failure(Status::kTable);
        if (read_u32(data_ + 28) != checksum(data_, size)) return failure(Status::kChecksum);
        size_ = size;
        for (std::uint32_t i = 0; i < sections_; ++i) {
            const std::uint8_t* entry = data_ + kHeaderSize + i * kEntrySize;
            if (entry[kNameSize - 1] != 0) return failure(Status::kTable);
            const char* name = reinterpret_cast<const char*>(entry);
            Section section;
            if (!read(entry, section)) return failure(Status::kTable, name);
            for (std::uint32_t j = 0; j < i; ++j) {
                if (std::strcmp(name, reinterpret_cast<const char*>(data_ + kHeaderSize + j * kEntrySize)) == 0) return failure(Status::kTable, name);
            }
        }
        return Result();
    }

    std::uint32_t flags() const { return read_u32(data_ + 12); }

    // The section of that name; one without data where there is none.
    Section find(const char* name) const {
        Section section;
        if (size_ == 0) return section;
        for (std::uint32_t i = 0; i < sections_; ++i) {
            const std::uint8_t* entry = data_ + kHeaderSize + i * kEntrySize;
            if (std::strcmp(name, reinterpret_cast<const char*>(entry)) == 0) {
                read(entry, section);
                return section;
            }
        }
        return section;
    }

private:
    // Whether an entry of the table is of an array inside the file. No product here can overflow: each factor is compared with what is left first.
    bool read(const std::uint8_t* entry, Section& section) const {
        const std::uint64_t offset = read_u64(entry + 48), bytes = read_u64(entry + 56);
        const std::uint32_t type = read_u32(entry + 24), rank = read_u32(entry + 28);
        const std::size_t item = item_size(type), table = kHeaderSize + sections_ * kEntrySize;
        if (item == 0 || rank > kMaxRank || offset % 16 != 0 || offset < table || offset > size_ || bytes > size_ - offset) return false;
        std::uint64_t count = 1;
        bool empty = false;
        for (std::uint32_t k = 0; k < rank; ++k) {
            const std::uint32_t side = read_u32(entry + 32 + 4 * k);
            section.shape[k] = side;
            if (side == 0) {
                empty = true;
            } else if (!empty) {
                if (count > size_ / side) return false;
                count *= side;
            }
        }
        if (empty) count = 0;
        if (count > size_ / item || count * item != bytes) return false;
        section.data = data_ + offset;
        section.type = type;
        section.rank = rank;
        section.count = static_cast<std::size_t>(count);
        return true;
    }

    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint32_t sections_ = 0;
};

}  // namespace a3d
